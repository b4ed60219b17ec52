// What a refusal says about an approval that has left this page. The passkey's answer holds for its
// prompt, not for one request: whoever carries it can put it into another request, bring it to another
// enclave of the deployment, or bring it again, until the prompt ends.

/** @import { Failure } from './errors.js' */
/** @import { Assertion } from './messages.js' */

/** @typedef {'done' | 'never' | 'open'} Fate it took effect; it never will; nobody can know yet */

/**
 * By the code of a refusal that an enclave signed, for an answer that this page sent.
 * @type {Record<string, Fate>}
 */
export const FATES = {
  // The prompt was answered already, and this page sends one answer for a prompt.
  context_used: 'done',

  // Judged over bytes that the passkeys signed: no other request, enclave or record makes them hold.
  // Without a new passkey's proof its prompt has no effect, and only another touch of it gives another.
  assertion_refused: 'never',
  possession_refused: 'never',

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

/** Where an authenticator's counter lies in its data. */
const COUNTER = [33, 37];

/**
 * What became of an approval that failed after it had left.
 * @param {Failure} failure
 * @param {Assertion} assertion what was sent
 * @returns {Fate}
 */
export function fateOf({ party, code }, assertion) {
  if (party !== 'enclave' || !Object.hasOwn(FATES, code)) return 'open';
  // A counter is judged against the record: an older record holds a lower one.
  if (code === 'assertion_refused' && assertion.authenticator_data.slice(...COUNTER).some((byte) => byte !== 0)) return 'open';
  return FATES[code] ?? 'open';
}
