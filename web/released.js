// The signature that an approval released.

import { toHex } from './bytes.js';
import { asFailure, Failure } from './errors.js';

/** @import { HistoryEntry, Outcome } from './messages.js' */
/** @import { App } from './state.js' */
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
 * @param {Consented['prompt']} prompt
 */
async function found(app, prompt) {
  try {
    const { entries } = await app.history(null, 20);
    return entries.find((one) => mine(one, prompt));
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

/**
 * @param {HistoryEntry} entry
 * @param {Consented['prompt']} prompt
 */
function mine(entry, prompt) {
  return toHex(entry.digest) === prompt.digest && entry.key?.key === prompt.key?.key && entry.at >= prompt.issued_at;
}
