// The signature that an approval released.

import { toHex } from './bytes.js';
import { asFailure, Failure } from './errors.js';

/** @import { HistoryEntry, Outcome } from './messages.js' */
/** @import { App } from './state.js' */
/** @import { CheckedPrompt } from './verifier.js' */
/** @import { Consented } from './views/prompt.js' */

/**
 * The signature that an approval released. If only the answer was lost on the way, the account's
 * history still has it.
 *
 * @param {App} app
 * @param {Consented} consented
 * @returns {Promise<{ signature: string, digest: string, address: string }>}
 */
export async function released(app, { approved, prompt }) {
  /** @type {Outcome | undefined} */
  const outcome = approved?.outcome;
  const address = prompt.key?.address ?? '';
  if (outcome && typeof outcome !== 'string' && 'signature' in outcome) {
    const { signature, digest } = outcome.signature;
    if (toHex(digest) === prompt.digest) return { signature: `0x${toHex(signature)}`, digest: `0x${prompt.digest}`, address };
  } else if (approved === null) {
    const entry = await found(app, prompt);
    if (entry?.signature) return { signature: `0x${toHex(entry.signature)}`, digest: `0x${prompt.digest}`, address };
  }
  throw new Failure('page', 'no_signature', {
    title: 'Your approval counted, and its signature is not here',
    message: approved === null ? 'The newest entries of the history do not show it.' : 'The enclave’s answer is not a signature of the digest you approved.',
    advice: 'Look at the history before you sign again.',
  });
}

/**
 * The entry of an approval whose answer was lost.
 * @param {App} app
 * @param {CheckedPrompt} prompt
 */
async function found(app, prompt) {
  try {
    return (await entriesOf(app, prompt))[0];
  } catch (cause) {
    const { title, code, party } = asFailure(cause);
    throw new Failure(party, code, {
      title: 'Your approval counted, and its signature could not be read',
      message: `${title}.`,
      advice: 'Look at the history before you sign again: it has the signature.',
      cause,
    });
  }
}

/** Entries that are looked through for a decision that is at most minutes old. */
const NEWEST = 20;

/**
 * What the newest history has of a prompt: decisions of just what it asked, since it was shown. It continues
 * the head that this browser knows, and is known itself from then on.
 * @param {App} app
 * @param {CheckedPrompt} prompt
 * @returns {Promise<HistoryEntry[]>} newest first
 */
export async function entriesOf(app, prompt) {
  // Only its own account says anything about it.
  if (prompt.account === null || app.session?.account !== prompt.account) return [];
  const { entries } = await app.history(null, NEWEST);
  return entries.filter((one) => toHex(one.digest) === prompt.digest && one.kind === prompt.kind && (prompt.key === null || one.key?.key === prompt.key.key) && one.at >= prompt.issued_at);
}
