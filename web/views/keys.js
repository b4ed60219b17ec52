// The account's keys: addresses that an enclave has signed for, new keys, names, archive.

import { propose } from '../consent.js';
import { fill, h, icon, redraw } from '../dom.js';
import { fail, heading, say, when } from '../ui.js';
import { hasActiveKey, noActiveKey } from './active.js';
import { addressFacts, saveReceipt } from './address.js';
import { askName } from './dialog.js';
import { ask } from './prompt.js';

/** @import { Action, KeyView } from '../messages.js' */
/** @import { App } from '../state.js' */

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function keys(app, signal) {
  const list = h('ul', { class: 'list' });
  const place = h('div', {});
  const none = h('div', {});
  const reading = h('p', { class: 'quiet', role: 'status' }, 'Reading …');
  const extra = h('div', { class: 'row' });
  const account = app.session?.account ?? '';

  const load = async () => {
    fail(place, null);
    try {
      await app.refresh();
    } catch (error) {
      reading.hidden = true;
      if (app.session) fail(place, error, load);
    }
  };
  const draw = () => {
    if (!app.account) return;
    reading.hidden = true;
    fill(none, !hasActiveKey(app.account) && noActiveKey(app.account));
    redraw(list, app.account.keys.map((key) => card(app, key, change, signal)));
    const kept = app.store.receipt(account);
    fill(extra, kept && saveReceipt(account, kept));
  };
  /**
   * @param {string} title
   * @param {Action} action
   * @param {string} done
   */
  const change = async (title, action, done) => {
    const who = app.session;
    const result = who && (await ask(app, title, (tell, ends) => propose(app, who, action, tell, ends), { signal }));
    if (!result) return;
    app.drafts.drop(draftOf(action));
    say(done);
    await load();
  };
  const create = async () => {
    const label = await askName(app.drafts, {
      signal,
      draft: 'new-key',
      title: 'A new key',
      label: 'Name of the key',
      hint: 'For yourself, such as “Travel fund”.',
      submit: 'Continue',
    });
    if (label !== null) await change('A new key', { create_key: { label } }, 'The key was made.');
  };

  app.addEventListener('account', draw, { signal });
  draw();
  load();
  return h(
    'div',
    { class: 'stack' },
    heading('Keys', 'Each key lives inside the enclave and never leaves it.', h('button', { type: 'button', class: 'primary', onclick: create }, icon('key'), 'Create a key')),
    place,
    reading,
    none,
    list,
    extra,
  );
}

/**
 * The draft that a change uses up.
 * @param {Action} action
 */
function draftOf(action) {
  return 'label_key' in action ? `key-${action.label_key.key}` : 'new-key';
}

/**
 * @param {App} app
 * @param {KeyView} key
 * @param {(title: string, action: Action, done: string) => Promise<void>} change
 * @param {AbortSignal} signal
 */
function card(app, key, change, signal) {
  const archived = key.archived_at !== null;
  const name = key.label || `Key ${key.key}`;
  const rename = async () => {
    const label = await askName(app.drafts, { signal, draft: `key-${key.key}`, title: 'Rename the key', label: 'Name of the key', value: key.label, submit: 'Continue' });
    if (label !== null) await change('Rename the key', { label_key: { key: key.key, label } }, 'The key was renamed.');
  };
  return h(
    'li',
    { class: 'card stack-tight', 'data-key': key.key },
    h(
      'div',
      { class: 'item-head' },
      h('h2', {}, name),
      h(
        'span',
        { class: 'row' },
        archived && h('span', { class: 'badge' }, 'Archived'),
        h('span', { class: 'badge good' }, icon('check'), 'Signed for by the enclave'),
      ),
    ),
    h('p', { class: 'quiet small' }, `Key ${key.key}, made `, when(key.created_at), archived && [', archived ', when(key.archived_at ?? 0)]),
    h(
      'div',
      { class: 'stack-tight' },
      addressFacts(app.addressOf(key.key) ?? ''),
    ),
    h(
      'div',
      { class: 'item-actions' },
      // The choice goes in memory: a link of somebody else's must not make it.
      !archived && h('a', { class: 'button small', href: '#/sign', onclick: () => app.drafts.keep('sign-key', String(key.key)), 'aria-label': `Sign with ${name}` }, icon('pen'), 'Sign'),
      h('button', { type: 'button', class: 'small', onclick: rename, 'aria-label': `Rename ${name}`, 'data-focus': `rename-${key.key}` }, 'Rename'),
      archived
        ? h('button', { type: 'button', class: 'small', 'aria-label': `Restore ${name}`, 'data-focus': `archive-${key.key}`, onclick: () => change('Restore the key', { restore_key: { key: key.key } }, 'The key was restored.') }, 'Restore')
        : h('button', { type: 'button', class: 'small', 'aria-label': `Archive ${name}`, 'data-focus': `archive-${key.key}`, onclick: () => change('Archive the key', { archive_key: { key: key.key } }, 'The key was archived.') }, 'Archive'),
    ),
  );
}
