// Everything that was approved on the account, newest first.

import { toHex } from '../bytes.js';
import { h, icon } from '../dom.js';
import { busy, copyable, fail, facts, heading, when } from '../ui.js';

/** @import { HistoryEntry, PromptKind } from '../messages.js' */
/** @import { App } from '../state.js' */

/** Entries of one page. */
const PAGE = 20;

/** @type {Record<PromptKind, { name: string, symbol: Parameters<typeof icon>[0] }>} */
const KINDS = {
  sign_in: { name: 'Sign-in', symbol: 'passkey' },
  confirm: { name: 'Account confirmed', symbol: 'check' },
  sign_text: { name: 'Text signed', symbol: 'pen' },
  sign_siwe: { name: 'Sign-in message signed', symbol: 'pen' },
  sign_typed_data: { name: 'Typed data signed', symbol: 'pen' },
  add_passkey: { name: 'Passkey added', symbol: 'passkey' },
  rename_passkey: { name: 'Passkey renamed', symbol: 'passkey' },
  remove_passkey: { name: 'Passkey removed', symbol: 'passkey' },
  create_key: { name: 'Key created', symbol: 'key' },
  label_key: { name: 'Key renamed', symbol: 'key' },
  archive_key: { name: 'Key archived', symbol: 'key' },
  restore_key: { name: 'Key restored', symbol: 'key' },
};

/** @param {App} app */
export function history(app) {
  const list = h('ol', { class: 'list', reversed: true });
  const place = h('div', {});
  const status = h('p', { class: 'quiet', role: 'status' }, 'Reading …');
  const more = h('button', { type: 'button', hidden: true, onclick: () => busy(more, load) }, 'Show more');
  /** @type {number | null} */
  let before = null;
  /** @type {string | null} */
  let above = null;

  const load = async () => {
    fail(place, null);
    try {
      const account = await app.known();
      const page = await app.history(before, PAGE, above);
      for (const entry of page.entries) list.append(item(entry, account));
      before = page.next;
      above = page.above;
      more.hidden = before === null;
      const shown = list.childElementCount;
      status.textContent = shown === 0 ? 'Nothing was approved yet.' : `${shown} shown${before === null ? ', that is all' : ''}.`;
    } catch (error) {
      status.textContent = '';
      if (app.session) fail(place, error, load);
    }
  };
  load();
  return h('div', { class: 'stack' }, heading('History', 'Each decision the enclave took for you, in a chain that only grows.'), place, list, status, more);
}

/**
 * @param {HistoryEntry} entry
 * @param {import('../messages.js').AccountView} account
 */
function item(entry, account) {
  const kind = Object.hasOwn(KINDS, entry.kind) ? KINDS[entry.kind] : { name: entry.kind, symbol: /** @type {'info'} */ ('info') };
  const passkey = account.passkeys.find(({ id }) => toHex(id) === toHex(entry.passkey))?.name ?? 'a removed passkey';
  const key = entry.key === null ? null : (account.keys.find((one) => one.key === entry.key)?.label ?? `key ${entry.key}`);
  return h(
    'li',
    { class: 'card stack-tight', 'data-sequence': entry.sequence },
    h('div', { class: 'item-head' }, h('h2', {}, icon(kind.symbol), ` ${kind.name}`), h('span', { class: 'quiet small' }, `#${entry.sequence} · `, when(entry.at))),
    h('p', {}, entry.title),
    h('p', { class: 'quiet small' }, `Approved with ${passkey}${key ? `, signed by ${key}` : ''}, at ${entry.origin}`),
    h(
      'details',
      {},
      h('summary', {}, 'Details'),
      h(
        'div',
        { class: 'inside' },
        facts(
          ['Digest', copyable(toHex(entry.digest), 'digest')],
          entry.signature !== null && ['Signature', copyable(`0x${toHex(entry.signature)}`, 'signature')],
          ['Entry before', h('span', { class: 'mono' }, toHex(entry.previous))],
        ),
      ),
    ),
  );
}
