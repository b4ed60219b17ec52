// Everything that was approved on the account, newest first.

import { toHex } from '../bytes.js';
import { h, icon } from '../dom.js';
import { busy, copyable, fail, facts, heading, when } from '../ui.js';
import { fingerprint } from './passkeys.js';

/** @import { ConcernedKey, HistoryEntry, PromptKind } from '../messages.js' */
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
  const who = app.session;

  const load = async () => {
    fail(place, null);
    try {
      // First, so that addresses are known as an enclave signed for them.
      await app.known();
      const page = await app.history(before, PAGE, above);
      if (!who || app.session !== who) return;
      list.append(...page.entries.map((entry) => item(app, who.account, entry)));
      before = page.next;
      above = page.above;
      more.hidden = before === null;
      const shown = list.childElementCount;
      status.textContent = shown === 0 ? 'The history is empty.' : `${shown} shown${before === null ? ', that is all' : ''}.`;
    } catch (error) {
      status.textContent = '';
      if (app.session === who) fail(place, error, load);
    }
  };
  load();
  return h('div', { class: 'stack' }, heading('History', 'Each decision the enclave took for you, in a chain that only grows.'), place, list, status, more);
}

/**
 * What an entry says itself, of the moment of the decision: names may have changed since.
 * @param {App} app
 * @param {string} account hex
 * @param {HistoryEntry} entry
 */
function item(app, account, entry) {
  const kind = Object.hasOwn(KINDS, entry.kind) ? KINDS[entry.kind] : { name: entry.kind, symbol: /** @type {'info'} */ ('info') };
  const { passkey, told } = entry;
  const [main, rest] = split(entry);
  return h(
    'li',
    { class: 'card stack-tight', 'data-sequence': entry.sequence },
    h('div', { class: 'item-head' }, h('h2', {}, icon(kind.symbol), ` ${kind.name}`), h('span', { class: 'quiet small' }, `#${entry.sequence} · `, when(entry.at))),
    h('p', {}, entry.title),
    told.text !== null && h('pre', { class: 'exact brief', tabindex: 0, role: 'region', 'aria-label': 'Beginning of the text' }, told.text),
    facts(
      entry.key !== null && ['Key', keyText(app, account, entry.key)],
      ...main,
      ['Approved with', [`${passkey.name} · `, h('span', { class: 'mono' }, fingerprint(passkey.public_key_sha256))]],
      ['On page', entry.origin],
    ),
    h(
      'details',
      {},
      h('summary', {}, 'Details'),
      h(
        'div',
        { class: 'inside stack-tight' },
        rest.length > 0 && facts(...rest),
        told.left_out > 0 && h('p', { class: 'quiet small' }, `The prompt had ${told.left_out} more ${told.left_out === 1 ? 'line' : 'lines'}, which the history does not keep.`),
        facts(
          ['Digest', copyable(`0x${toHex(entry.digest)}`, 'digest')],
          entry.signature !== null && ['Signature', copyable(`0x${toHex(entry.signature)}`, 'signature')],
          ['Entry before', h('span', { class: 'mono' }, `0x${toHex(entry.previous)}`)],
        ),
      ),
    ),
  );
}

/** Lines that tell no decision from another. */
const MINOR = new Set(['Account', 'Length', 'Made', 'Nonce', 'Request', 'Salt', 'Version']);

/** The path and type of one field of typed data, such as `owner (address)`. */
const FIELD = /\([a-z0-9[\]]+\)$/i;

/** How far away a moment was, behind the moment: that was true when the prompt was shown. */
const DISTANCE = / \((now|in [^()]*|[^()]* ago)\)$/;

/**
 * Lines for everybody, and those for whoever wants to know.
 * @param {HistoryEntry} entry
 * @returns {[[string, string][], [string, string][]]}
 */
function split({ told, key }) {
  /** @type {[string, string][]} */
  const shown = told.lines
    // What the entry says in a place of its own.
    .filter(({ label, value }) => !(label === 'What' || (label === 'Key' && key !== null) || (label === 'Name' && value === key?.label)))
    .map(({ label, value }) => [label, value.replace(DISTANCE, '')]);
  const minor = (/** @type {string} */ label) => MINOR.has(label) || FIELD.test(label);
  return [shown.filter(([label]) => !minor(label)), shown.filter(([label]) => minor(label))];
}

/**
 * @param {App} app
 * @param {string} account hex
 * @param {ConcernedKey} concerned
 */
function keyText(app, account, { key, address, label }) {
  const hex = `0x${toHex(address)}`;
  // The enclave signed this page of history: another address than before is a lie of somebody.
  app.proven(account, key, hex);
  return [`${label || `Key ${key}`} · `, h('span', { class: 'mono' }, app.addressOf(key, account) ?? hex)];
}
