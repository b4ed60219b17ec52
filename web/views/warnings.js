// The enclave's warnings about what it is asked to do, the worst first.

import { h } from '../dom.js';
import { notice } from '../ui.js';

/** @import { SummaryWarning } from '../verifier.js' */

/** @param {SummaryWarning[]} all */
export function warnings(all) {
  const order = ['danger', 'attention', 'notice'];
  return [...all].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity)).map(warning);
}

/** @param {SummaryWarning} warning */
function warning({ severity, text }) {
  if (severity === 'danger') return notice('bad', 'Dangerous', h('p', {}, text));
  if (severity === 'attention') return notice('warn', 'Look twice', h('p', {}, text));
  return notice('plain', 'Worth knowing', h('p', {}, text));
}
