// An account none of whose keys can sign.

import { h } from '../dom.js';
import { notice } from '../ui.js';

/** @import { AccountView } from '../messages.js' */

/** @param {AccountView} account */
export function hasActiveKey({ keys }) {
  return keys.some((key) => key.archived_at === null);
}

/**
 * Says that nothing can be signed, and what to do.
 * @param {AccountView} account
 * @param {boolean} [elsewhere] whether the keys are in another view
 */
export function noActiveKey({ keys }, elsewhere = false) {
  const what = keys.length === 0 ? 'Create one' : 'All keys of this account are archived. Restore one of them, or create a new one';
  return notice('warn', 'No active key', h('p', {}, `Without an active key nothing can be signed. ${what}${elsewhere ? ' under “Keys”' : ''}.`), elsewhere && h('p', {}, h('a', { class: 'button small', href: '#/keys' }, 'Go to your keys')));
}
