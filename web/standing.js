// What is known about the enclave, in words and colours. Green says one of two things: a release of
// the page's anchor runs, or the deployment that this browser remembers answers.

import { Failure } from './errors.js';

/** @import { Bytes, Policy } from './messages.js' */
/** @import { Beside } from './anchor.js' */
/** @import { Anchored, EvidenceReport, Verifier } from './verifier.js' */
/** @import { Vouched } from './visit.js' */

/**
 * @typedef {object} Accepted evidence that passed, and under what
 * @property {EvidenceReport} report
 * @property {Anchored | null} anchored null: there is no anchor, and the visitor's own policy holds
 * @property {boolean} own whether the visitor's own policy was a condition
 */

/**
 * @typedef {'checking' | 'offline' | 'unready' | 'unknown' | 'refused' | 'simulator' | 'own' | 'same' | 'verified'} State
 * @typedef {{ state: State, tone: 'good' | 'warn' | 'bad' | 'plain', label: string, words: string }} Standing
 */

/**
 * Judges a document. Each condition can only refuse: the anchor with its releases, what this browser
 * remembers, the host's policy, the visitor's. Without an anchor the visitor's policy stands alone,
 * unless this browser remembers that there was an anchor.
 *
 * @param {Verifier} verifier
 * @param {Beside & { document: Bytes, nonce: Bytes, now: number, policy: Policy | null, known: string | null, own: Policy | null, host: string }} given
 *   `policy` is the host's, `own` the visitor's
 * @returns {Accepted}
 */
export function accept(verifier, { anchor, releases, document, nonce, now, policy, known, own, host }) {
  if (anchor === null) {
    if (known !== null) throw anchorMissing();
    if (own === null) throw noRelease();
    return { report: verifier.evidence({ document, nonce, now, policy: own }), anchored: null, own: true };
  }
  const anchored = verifier.anchored({ document, nonce, now, host, anchor, releases, known, policy });
  if (own !== null) verifier.evidence({ document, nonce, now, policy: own });
  return { report: anchored.evidence, anchored, own: own !== null };
}

/** Failures that say: there is nothing to compare the enclave with. */
const UNKNOWN = new Set(['no_release', 'release_signatures', 'release_expired', 'release_not_yet_valid', 'configuration_missing']);

/**
 * @param {{ current: Vouched | null, failure: Failure | null, pending: unknown, away: Failure | null }} visit
 *   `away` is why the enclave cannot be reached just now
 * @returns {Standing}
 */
export function standing({ current, failure, pending, away }) {
  const trouble = failure ?? away;
  if (trouble && !(pending && !current)) return troubled(trouble);
  if (!current) {
    return { state: 'checking', tone: 'plain', label: 'Checking', words: 'This browser asks the enclave for evidence.' };
  }
  const { report, anchored } = current;
  if (report.binding.root_source === null) {
    return { state: 'unready', tone: 'warn', label: 'Not ready', words: WAITS };
  }
  if (report.simulator || report.binding.root_source === 'development') {
    return { state: 'simulator', tone: 'warn', label: 'Simulator', words: 'Software answers in the place of an enclave. It protects nothing.' };
  }
  if (!anchored) {
    return { state: 'own', tone: 'plain', label: 'Your policy', words: 'The enclave satisfies the policy that you pasted. This page came without an anchor, so no release is known.' };
  }
  const { release, anchor, history } = anchored;
  const signed = `Release ${release.release} (epoch ${release.epoch}), signed by ${release.signers} of ${anchor.release_keys.length} release keys.`;
  if (history === 'same') {
    return { state: 'same', tone: 'good', label: 'Same enclave as before', words: `The root key and the release keys are those that this browser remembers. ${signed}` };
  }
  if (history === 'explained') {
    return { state: 'verified', tone: 'good', label: `Verified release ${release.release}`, words: `${signed} The deployment changed since this browser was here; releases signed under the keys it remembered explain how.` };
  }
  return {
    state: 'verified',
    tone: 'good',
    label: `Verified release ${release.release}`,
    words: `${signed} These keys stand in this page. Whoever serves the page can serve another one: openkey-verify page compares it with the released one.`,
  };
}

/** Of an enclave without a root key. */
const WAITS = 'The enclave runs and waits for its operators, or another enclave, to bring its root key. That can take hours, and until then it serves nobody.';

/**
 * Whether it is known that the enclave serves nobody yet: by its evidence, or by a refusal that it signed.
 * @param {{ current: Vouched | null, failure: Failure | null, away: Failure | null }} visit
 */
export function waits({ current, failure, away }) {
  return current?.report.binding.root_source === null || [failure, away].some((one) => one?.party === 'enclave' && one.code === 'awaiting_root_key');
}

/**
 * What a check of the evidence has shown, in one line for a person who did not read the whole.
 * @param {Standing} standing
 */
export function checkedWords({ tone, label, words }) {
  // Of a simulator, or of an enclave that serves nobody, it would sound like more than it is.
  return tone === 'good' ? `The evidence holds: ${label}.` : words;
}

/**
 * @param {Failure} failure
 * @returns {Standing}
 */
function troubled(failure) {
  const words = failure.message;
  if (UNKNOWN.has(failure.code)) return { state: 'unknown', tone: 'bad', label: 'No release known', words };
  if (failure.code === 'awaiting_root_key') return { state: 'unready', tone: 'warn', label: 'Not ready', words };
  if (failure.party === 'network' || failure.party === 'host' || failure.code === 'unavailable') return { state: 'offline', tone: 'warn', label: 'Offline', words };
  return { state: 'refused', tone: 'bad', label: 'Refused', words };
}

/** @param {Failure} failure */
export const isRefusal = (failure) => !['offline', 'unready'].includes(troubled(failure).state);

function noRelease() {
  return new Failure('page', 'no_release', {
    title: 'No release known',
    message: 'This page came without an anchor, so nothing says which enclave is the right one.',
    advice: 'Do not sign up or sign in. If the operator published a policy file somewhere that you trust, paste it under “Verify the enclave”.',
  });
}

function anchorMissing() {
  return new Failure('page', 'anchor_missing', {
    title: 'The page came without its anchor',
    message: 'This browser remembers the deployment behind this address, and the page no longer says which one it is for.',
    advice: 'Do not go on. Tell the operator, and try again later.',
    retry: true,
  });
}
