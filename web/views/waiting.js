// An enclave without its root key: there is no account to make or to open yet.

import { h } from '../dom.js';
import { notice } from '../ui.js';

export function awaitsOperators() {
  return notice(
    'warn',
    'The enclave waits for its operators',
    h('p', {}, 'It runs, and its operators, or another enclave, have to bring its root key first. That can take hours. Until then nobody can sign up or sign in.'),
    h('p', { class: 'quiet small' }, 'This page asks again by itself.'),
  );
}
