// The signature that an approval released.

import { toHex } from './bytes.js';
import { Failure } from './errors.js';

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
    const { entries } = await app.history(null, 20);
    const entry = entries.find((one) => mine(one, prompt));
    if (entry?.signature) return { signature: `0x${toHex(entry.signature)}`, digest: `0x${prompt.digest}`, address };
  }
  throw new Failure('page', 'no_signature', {
    title: 'The signature did not come with the answer',
    message: 'The enclave’s answer is not a signature of the digest you approved.',
    advice: 'Look at the history before you sign again.',
  });
}

/**
 * @param {HistoryEntry} entry
 * @param {Consented['prompt']} prompt
 */
function mine(entry, prompt) {
  return toHex(entry.digest) === prompt.digest && entry.key?.key === prompt.key?.key && entry.at >= prompt.issued_at;
}
