// The account's passkeys: add, rename, remove. Each change is approved by a passkey that is there.

import { toHex } from '../bytes.js';
import { propose } from '../consent.js';
import { fill, h, icon, redraw } from '../dom.js';
import { fail, heading, notice, say, when } from '../ui.js';
import { askName } from './dialog.js';
import { ask } from './prompt.js';

/** @import { Prepared, Who } from '../consent.js' */
/** @import { Action, PasskeyView } from '../messages.js' */
/** @import { Prepare } from './prompt.js' */
/** @import { App } from '../state.js' */

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function passkeys(app, signal) {
  const list = h('ul', { class: 'list' });
  const hint = h('div', {});
  const place = h('div', {});

  const load = async () => {
    fail(place, null);
    try {
      await app.refresh();
    } catch (error) {
      if (app.session) fail(place, error, load);
    }
  };
  const draw = () => {
    if (!app.account) return;
    const { passkeys: all } = app.account;
    fill(hint, all.length === 1 && notice('plain', 'This is your only passkey', h('p', {}, 'If you lose it, the account is lost. Add another one on a second device. The last passkey cannot be removed.')));
    redraw(list, all.map((passkey) => card(app, passkey, all.length === 1, change, signal)));
  };
  /**
   * @param {string} title
   * @param {Action} action
   * @param {string} done
   */
  const change = async (title, action, done) => {
    const who = app.session;
    let made = false;
    /** @type {Prepared[]} */
    const shown = [];
    /** @type {Prepare} */
    const prepare = async (tell, ends) => {
      const prepared = await propose(app, /** @type {Who} */ (who), action, tell, ends, () => {
        made = true;
      });
      shown.push(prepared);
      return prepared;
    };
    const result = who && (await ask(app, title, prepare, { signal }));
    if (!result) {
      // Where an approval is on its way, nobody knows.
      const unused = made && !shown.some(({ live }) => live);
      if (unused && signal.aborted) say('The new passkey was not added. It opens nothing here: delete it where your passkeys are kept.', { lasts: true });
      else if (unused) fill(place, notAdded());
      return;
    }
    app.drafts.drop('rename_passkey' in action ? draftOf(action.rename_passkey.passkey) : 'new-passkey');
    say(done);
    await load();
  };
  const add = async () => {
    const name = await askName(app.drafts, {
      signal,
      draft: 'new-passkey',
      title: 'Add a passkey',
      label: 'Name of the passkey',
      hint: 'Three steps follow: your browser makes the new passkey, you use it once, then a passkey you already have approves it.',
      submit: 'Make the passkey',
    });
    if (name !== null) await change('Add a passkey', { add_passkey: { name } }, 'The passkey was added.');
  };

  app.addEventListener('account', draw, { signal });
  draw();
  load();
  return h(
    'div',
    { class: 'stack' },
    heading('Passkeys', 'Whoever holds one of these can approve in your name.', h('button', { type: 'button', class: 'primary', onclick: add }, icon('passkey'), 'Add a passkey')),
    place,
    hint,
    list,
  );
}

function notAdded() {
  return notice('warn', 'The new passkey was not added', h('p', {}, 'It exists where you made it, and opens nothing here. Delete it where your passkeys are kept, or add a passkey again.'));
}

/** @param {Uint8Array} passkey its id */
function draftOf(passkey) {
  return `passkey-${toHex(passkey)}`;
}

/**
 * @param {App} app
 * @param {PasskeyView} passkey
 * @param {boolean} last
 * @param {(title: string, action: Action, done: string) => Promise<void>} change
 * @param {AbortSignal} signal
 */
function card(app, passkey, last, change, signal) {
  const rename = async () => {
    const name = await askName(app.drafts, { signal, draft: draftOf(passkey.id), title: 'Rename the passkey', label: 'Name of the passkey', value: passkey.name, submit: 'Continue' });
    if (name !== null) await change('Rename the passkey', { rename_passkey: { passkey: passkey.id, name } }, 'The passkey was renamed.');
  };
  const remove = () => change('Remove the passkey', { remove_passkey: { passkey: passkey.id } }, 'The passkey was removed.');
  const id = toHex(passkey.id);
  return h(
    'li',
    { class: 'card stack-tight', 'data-passkey': id },
    h('div', { class: 'item-head' }, h('h2', {}, passkey.name)),
    h('p', { class: 'quiet small' }, 'Added ', when(passkey.created_at), passkey.used_at !== null && [', last used ', when(passkey.used_at)]),
    h('p', { class: 'quiet small' }, 'Fingerprint ', h('span', { class: 'mono' }, fingerprint(passkey.public_key_sha256))),
    h(
      'div',
      { class: 'item-actions' },
      h('button', { type: 'button', class: 'small', onclick: rename, 'data-focus': `rename-${id}`, 'aria-label': `Rename ${passkey.name}` }, 'Rename'),
      h(
        'button',
        { type: 'button', class: 'small', disabled: last, onclick: remove, 'data-focus': `remove-${id}`, 'aria-label': last ? `Remove ${passkey.name}: not possible, it is the last one` : `Remove ${passkey.name}` },
        'Remove',
      ),
    ),
  );
}

/**
 * The last digits of the public key's hash, as the enclave's prompts show them: names may be equal.
 * @param {Uint8Array} publicKeySha256
 */
export function fingerprint(publicKeySha256) {
  return toHex(publicKeySha256.slice(-8)).replace(/(.{4})(?=.)/g, '$1 ');
}
