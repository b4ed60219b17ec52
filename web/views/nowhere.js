// An address that no view has: an old link, or one that was cut.

import { h } from '../dom.js';
import { heading } from '../ui.js';

/** @import { App } from '../state.js' */

/** @param {App} app */
export function nowhere(app) {
  return h(
    'div',
    { class: 'stack' },
    heading('There is no such page', 'The address in the browser names no part of OpenKey.'),
    h('p', {}, h('a', { class: 'button primary', href: '#/' }, app.session ? 'Go to your keys' : 'Go to the start')),
  );
}
