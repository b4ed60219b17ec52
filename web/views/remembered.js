// What this browser remembers of the deployment, and how to forget it.

import { fill, h } from '../dom.js';
import { copyable, facts, notice, say, when } from '../ui.js';
import { openDialog } from './dialog.js';

/** @import { App } from '../state.js' */

/** Said once, when it begins. */
export function rememberedNotice() {
  return notice(
    'plain',
    'This browser remembers this deployment now',
    h('p', {}, 'It keeps the root id, the release keys and the highest epoch it saw, and refuses any other enclave at this address, unless releases signed under these keys explain the change. “Verify the enclave” shows what it keeps.'),
  );
}

/**
 * @param {App} app
 */
export function remembered(app) {
  const section = h('section', { class: 'card stack', 'aria-labelledby': 'remembered' });
  const draw = () => {
    const text = app.store.deployment();
    fill(section, h('h2', { id: 'remembered' }, 'What this browser remembers'), text === null ? nothing() : [kept(text, app.store.deploymentSince()), forget]);
  };
  const forget = h('p', {}, h('button', { type: 'button', class: 'small', onclick: () => confirmForget(app, draw) }, 'Forget this deployment'));
  draw();
  return section;
}

function nothing() {
  return h('p', { class: 'quiet' }, 'Nothing yet. At your first sign-up or sign-in it remembers the root id, the release keys and the highest epoch of this deployment, and says so. Later it accepts only what a chain of releases explains, each signed under the keys before it.');
}

/**
 * @param {string} text
 * @param {number | null} since
 */
function kept(text, since) {
  /** @type {{ root_id?: unknown, epoch?: unknown, rp_id?: unknown, simulator?: unknown, release_keys?: { threshold?: unknown, keys?: unknown } }} */
  let known = {};
  try {
    known = JSON.parse(text) ?? {};
  } catch {
    return notice('bad', 'What is remembered cannot be read', h('p', {}, 'Something changed it in this browser. No enclave is accepted until you forget it.'));
  }
  const keys = Array.isArray(known.release_keys?.keys) ? known.release_keys.keys : [];
  return facts(
    since !== null && ['Since', when(since)],
    ['Relying party', String(known.rp_id)],
    ['Root id', typeof known.root_id === 'string' ? copyable(known.root_id, 'root id') : 'none: no ceremony made one'],
    ['Highest epoch', String(known.epoch)],
    ['Release keys', [`${String(known.release_keys?.threshold)} of ${keys.length} must sign`, keys.map((key, i) => h('div', {}, copyable(String(key), `release key ${i + 1}`)))]],
    known.simulator === true && ['Kind', 'a simulator, which protects nothing'],
  );
}

/**
 * @param {App} app
 * @param {() => void} done
 */
function confirmForget(app, done) {
  const close = () => open.close();
  const open = openDialog('Forget this deployment?', {
    body: h('p', {}, 'The next enclave at this address is then taken as at a first visit, even if it is another one. Do this only if the operator announced a new deployment somewhere that you trust.'),
    foot: [
      h('button', { type: 'button', onclick: close }, 'Cancel'),
      h(
        'button',
        {
          type: 'button',
          class: 'primary',
          onclick: () => {
            close();
            app.visit.forget();
            app.visit.verify().catch(() => {});
            done();
            say('Forgotten.');
          },
        },
        'Forget it',
      ),
    ],
    cancelled: close,
  });
}
