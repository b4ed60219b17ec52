// What a refusal says about an approval that has left this page. The passkey's answer holds for its
// prompt, not for one request: whoever carries it can put it into another request, bring it to another
// enclave of the deployment, or bring it again, until the prompt ends.

/** @import { Failure } from './errors.js' */
/** @import { Assertion, PromptKind } from './messages.js' */

/** @typedef {'never' | 'open'} Fate it never takes effect that a person has to look for; nobody can know yet */

/**
 * By the code of a refusal that an enclave signed, for an answer that this page sent.
 * @type {Record<string, Fate>}
 */
export const FATES = {
  // Judged over bytes that the new passkey signed, against the key in the prompt's own context: no other request,
  // enclave or record makes them hold. Without its proof the prompt has no effect, and only another touch of it gives
  // another.
  possession_refused: 'never',

  // Judged against the record as well, where another copy may hold a lower counter or other flags: only an answer
  // that lacks what every enclave demands is refused everywhere.
  assertion_refused: 'open',

  // The prompt was answered in the history that this enclave was shown. Done is what a history shows that continues
  // the one known here: see `settled` in `consent.js`.
  context_used: 'open',

  // About the request around the passkey's answer, which the host can write anew.
  malformed: 'open',
  wrong_class: 'open',
  out_of_bounds: 'open',
  confirmation_needed: 'open',
  possession_needed: 'open',

  // About the record that the store showed to one enclave, at one moment.
  unknown_account: 'open',
  rolled_back: 'open',
  forked: 'open',
  record_corrupt: 'open',
  unknown_passkey: 'open',
  unknown_key: 'open',
  key_archived: 'open',
  not_confirmed: 'open',
  already_confirmed: 'open',
  last_passkey: 'open',
  passkey_exists: 'open',
  nothing_to_do: 'open',
  account_changed: 'open',
  conflict: 'open',
  outcome_unknown: 'open',
  busy: 'open',
  too_many: 'open',
  full: 'open',

  // About one enclave: its clock, its keys, its place in the deployment, its trouble.
  context_expired: 'open',
  context_invalid: 'open',
  awaiting_root_key: 'open',
  superseded: 'open',
  unavailable: 'open',
  internal: 'open',

  // No approval is refused so. Whoever is, all the same, knows nothing by it.
  wrong_origin: 'open',
  sign_in_needed: 'open',
  begin_again: 'open',
  credential_refused: 'open',
  siwe_refused: 'open',
  siwe_unsupported: 'open',
  typed_data_refused: 'open',
  text_refused: 'open',
  operator_refused: 'open',
  order_expired: 'open',
  hand_over_refused: 'open',
  manifest_refused: 'open',
};

/** Refusals of a sign-in that say that this passkey, or its answer, opens no account. */
const WHOSE = new Set(['assertion_refused', 'unknown_passkey', 'unknown_account']);

/** Where an authenticator's flags lie in its data: it was touched, and it verified who did. */
const FLAGS = { at: 32, touched: 0x01, verified: 0x04 };

/**
 * What became of an approval that failed after it had left.
 * @param {Failure} failure
 * @param {Assertion} assertion what was sent
 * @param {PromptKind} kind of the prompt that it answered
 * @returns {Fate}
 */
export function fateOf({ party, code }, assertion, kind) {
  if (party !== 'enclave' || !Object.hasOwn(FATES, code)) return 'open';
  // A sign-in changes no account, and its only effect here is the permission to read, which this refusal does not
  // bring. A person who signs in once more doubles nothing.
  if (kind === 'sign_in' && WHOSE.has(code)) return 'never';
  const needed = FLAGS.touched | FLAGS.verified;
  if (code === 'assertion_refused' && ((assertion.authenticator_data[FLAGS.at] ?? 0) & needed) !== needed) return 'never';
  return FATES[code] ?? 'open';
}
