// What to do when a rule of the verifier does not hold, by the rule's name.

/** @typedef {{ title: string, advice: string, retry?: boolean }} Advice */

/** @type {Record<string, Advice>} */
const GROUPS = {
  // Somebody else answers, or answers for somebody else.
  stranger: {
    title: 'This is not the enclave of the policy',
    advice: 'Do not sign up, sign in or sign anything here. If the operator announced a new release, take its policy from a source you trust; otherwise tell them which rule failed.',
  },
  // The document itself is broken or changed.
  document: {
    title: 'The evidence is not a valid attestation document',
    advice: 'Do not go on: something between this page and the enclave changes or makes up evidence. Tell the operator which rule failed.',
  },
  replay: {
    title: 'The evidence is old or was made for somebody else',
    advice: 'Do not go on: an old answer was played back. Try once more; if it stays, tell the operator.',
    retry: true,
  },
  clock: {
    title: 'The times do not fit',
    advice: 'Check the clock of this device. If it is right, the evidence is too old or from the future: tell the operator.',
    retry: true,
  },
  policy: {
    title: 'The policy cannot be used',
    advice: 'Paste the policy file as the operator published it, whole and unchanged.',
  },
  prompt: {
    title: 'The prompt does not belong to what you asked',
    advice: 'Someone between this page and the enclave may be changing messages. Do not continue; tell the operator.',
  },
  answer: {
    title: 'The answer is not the enclave’s to what you asked',
    advice: 'Someone between this page and the enclave may be changing messages. Do not continue; tell the operator.',
  },
  receipt: {
    title: 'The receipt is not the one of your passkey',
    advice: 'Someone between this page and the enclave may have put in another passkey or answer. Do not use this account; tell the operator. You can delete the passkey you just made.',
  },
  anchor: {
    title: 'The page’s anchor cannot be used',
    advice: 'Do not sign up or sign in. The operator serves a damaged page, or one for another address: tell them which rule failed.',
  },
  releases: {
    title: 'No release known',
    advice: 'Do not sign up or sign in. The host publishes no release that counts for this page. Tell the operator, and try again later.',
    retry: true,
  },
  old: {
    title: 'An older release runs than before',
    advice: 'Do not go on: releases are withdrawn because something is wrong with them. Tell the operator.',
  },
  host: {
    title: 'The enclave is not the one its own host names',
    advice: 'Do not go on: the host’s policy and the enclave do not fit together. Tell the operator which rule failed.',
  },
  head: {
    title: 'The service shows another state of your account than before',
    advice: 'The host’s storage may have been set back. Do not sign anything; tell the operator.',
    retry: true,
  },
};

/** @type {Record<string, keyof typeof GROUPS | Advice>} */
const RULES = {
  measurement_mismatch: 'stranger',
  unknown_root: {
    title: 'The evidence comes from another maker than the policy names',
    advice: 'Do not go on. A simulator’s evidence needs the simulator’s policy, hardware’s evidence the operator’s. Tell the operator.',
  },
  simulator_document: {
    title: 'A simulator answers where hardware was expected',
    advice: 'Do not go on: nothing protects the keys there. Tell the operator.',
  },
  not_a_simulator_document: {
    title: 'The policy is for a simulator, the evidence is not from one',
    advice: 'Take the policy of this deployment.',
  },
  debug_mode: {
    title: 'The enclave runs in debug mode',
    advice: 'Do not go on: the host can read it. Tell the operator.',
  },
  nonce_missing: 'replay',
  nonce_empty: 'replay',
  nonce_mismatch: 'replay',
  too_old: 'clock',
  timestamp_in_the_future: 'clock',
  certificate_expired: 'clock',
  certificate_not_yet_valid: 'clock',
  answer_not_yet_given: 'clock',
  answer_too_old: 'clock',
  prompt_not_yet_issued: 'clock',
  prompt_expired: 'clock',
  binding_missing: 'stranger',
  root_id: 'stranger',
  epoch_too_old: 'old',
  deployment_changed: {
    title: 'This is another deployment than the one this browser remembers',
    advice: 'Do not sign up, sign in or sign anything here. If the operator announced a new deployment somewhere that you trust, forget the old one under “Verify the enclave”; otherwise tell them.',
  },
  known_malformed: {
    title: 'What this browser remembers of the deployment cannot be read',
    advice: 'Something changed it. If you know that it was you, forget it under “Verify the enclave”; otherwise do not go on.',
  },
  no_release: 'releases',
  configuration_missing: 'releases',
  host_policy: 'host',
  host_policy_file: 'host',
  binding_version: {
    title: 'The enclave is newer than this page',
    advice: 'Reload the page. If it stays, tell the operator.',
  },
  configuration_pcr: 'stranger',
  code_missing: 'policy',
  successors_differ: {
    title: 'The host hides which images wait for the root key',
    advice: 'Do not sign anything here. The enclave vouches for another list than the host shows. Try once more; if it stays, tell the operators.',
    retry: true,
  },
  root_count: 'policy',
  root_not_a_certificate: 'policy',
  rolled_back: 'head',
  head_account: 'head',
  forked: 'head',
  not_continued: 'head',
  statement_signature: {
    title: 'The signature is not the enclave’s',
    advice: 'Someone between this page and the enclave may be changing messages. Do not continue; tell the operator.',
  },
};

/**
 * @param {string} rule
 * @returns {Advice}
 */
export function adviceFor(rule) {
  const known = Object.hasOwn(RULES, rule) ? RULES[rule] : undefined;
  if (known !== undefined && typeof known !== 'string') return known;
  const group = known ?? prefix(rule) ?? 'document';
  return /** @type {Advice} */ (GROUPS[group]);
}

/** @param {string} rule */
function prefix(rule) {
  if (rule.startsWith('policy_')) return 'policy';
  if (rule.startsWith('anchor_')) return 'anchor';
  if (rule.startsWith('releases_') || rule.startsWith('release_')) return 'releases';
  if (rule.startsWith('prompt_')) return 'prompt';
  if (['answer_', 'statement_', 'account_', 'history_'].some((start) => rule.startsWith(start))) return 'answer';
  if (rule.startsWith('receipt_')) return 'receipt';
  return undefined;
}
