// Small parts of a prompt as it is shown.

import { h, icon } from '../dom.js';

/** @import { CheckedPrompt } from '../verifier.js' */
/** @import { Vouched } from '../visit.js' */

/** @param {Vouched} evidence of the enclave whose key signed this very prompt */
export function vouchedBy({ report }) {
  return h(
    'p',
    { class: 'quiet small' },
    icon('shield'),
    ` The enclave ${report.module_id} says this and signed it. Checked in this browser: it answers exactly what this page asked.`,
  );
}

/**
 * Whether the enclave's own lines name something already.
 * @param {CheckedPrompt['summary']} summary
 * @param {string} value
 */
export function says(summary, value) {
  return summary.lines.some((line) => line.value.includes(value));
}

/** @param {CheckedPrompt} prompt */
export function digestName({ kind }) {
  return kind.startsWith('sign_') && kind !== 'sign_in' ? 'Digest to sign (Keccak-256)' : 'Digest of the request (SHA-256)';
}
