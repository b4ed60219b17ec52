// Connect to a node: a session key of this browser, permissions for it, and a first value written
// and read back.

import { propose } from '../consent.js';
import { fill, h, icon } from '../dom.js';
import { Failure } from '../errors.js';
import { NodeClient } from '../node/client.js';
import { connectTo, folderOf, writeAndRead } from '../node/connect.js';
import { forgetSession, keepSession, keptSession, signerOf } from '../node/session.js';
import { released } from '../released.js';
import { busy, copyable, fail, facts, field, heading, notice, say, when } from '../ui.js';
import { hasActiveKey, noActiveKey } from './active.js';
import { ask } from './prompt.js';

/** @import { Step } from '../node/connect.js' */
/** @import { Session } from '../node/session.js' */
/** @import { App } from '../state.js' */

const HOUR = 3_600_000;
/** How long a session may hold; a day unless the person says otherwise. */
const LIVES = [
  { name: '1 hour', life: HOUR },
  { name: '8 hours', life: 8 * HOUR },
  { name: '1 day', life: 24 * HOUR, usual: true },
  { name: '3 days', life: 72 * HOUR },
  { name: '7 days', life: 168 * HOUR },
];

/** @type {[Step, string][]} */
const STEPS = [
  ['key', 'This browser makes a session key'],
  ['session', 'You sign what it may do'],
  ['node', 'The node takes it'],
  ['hosting', 'You let the node keep your space'],
  ['ready', 'Write and read'],
];

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function connect(app, signal) {
  const place = h('div', {});
  const result = h('div', {});
  const steps = h('ol', { class: 'steps' });
  const key = h('select', {});
  const node = h('input', { type: 'url', required: true, value: app.config.node ?? '', autocomplete: 'off', spellcheck: 'false' });
  const folder = h('input', { type: 'text', value: 'hello/', autocomplete: 'off', spellcheck: 'false' });
  const life = h('select', {}, LIVES.map((one) => h('option', { value: one.life, selected: one.usual ?? false }, one.name)));
  const submit = h('button', { type: 'submit', class: 'primary wide-on-phone' }, icon('key'), h('span', {}, 'Connect'));
  const address = () => app.addressOf(Number(key.value));
  const none = h('div', {});
  for (const [name, field] of Object.entries({ node, folder, life })) app.drafts.bind(`connect-${name}`, field);

  /** @type {Map<Step, string>} */
  const done = new Map();
  const drawSteps = () => {
    const now = STEPS.findIndex(([step]) => !done.has(step));
    fill(
      steps,
      STEPS.map(([step, words], index) =>
        h(
          'li',
          { 'data-step': step, 'data-state': done.has(step) ? 'done' : index === now ? 'now' : null },
          words,
          done.has(step) && h('p', { class: 'quiet small mono' }, done.get(step)),
        ),
      ),
    );
  };
  /** @type {(step: Step, words: string) => void} */
  const tell = (step, words) => {
    done.set(step, words);
    drawSteps();
  };
  const reset = () => {
    done.clear();
    drawSteps();
    fill(result);
  };
  const draw = () => {
    const keys = (app.account?.keys ?? []).filter((one) => one.archived_at === null);
    const wanted = key.value;
    fill(key, keys.map((one) => h('option', { value: one.key, selected: String(one.key) === wanted }, one.label || `Key ${one.key}`)));
    submit.disabled = keys.length === 0;
    fill(none, app.account && !hasActiveKey(app.account) && noActiveKey(app.account, true));
  };
  /** Shows the session that this browser keeps for the chosen key. */
  const restore = async () => {
    const of = address();
    const kept = of === null ? null : await keptSession(of);
    if (signal.aborted || of === null || of !== address() || !kept || kept.node !== app.config.node) return;
    const { did } = await signerOf(kept.keys);
    for (const [step] of STEPS.slice(0, 4)) done.set(step, step === 'key' ? did : 'Done before.');
    drawSteps();
    fill(result, connected(kept, of));
  };
  const load = async () => {
    fail(place, null);
    try {
      await app.refresh();
      await restore();
    } catch (error) {
      if (app.session) fail(place, error, load);
    }
  };

  const run = async () => {
    fail(place, null);
    reset();
    try {
      const who = app.session;
      const of = address();
      if (!who || of === null) throw noAddress();
      const origin = allowed(node.value, app.config.node);
      const chosen = Number(key.value);
      /** @type {(title: string, text: string) => Promise<string | null>} */
      // Only what this page wrote goes to the enclave as its own: whatever a person pastes is a `siwe`.
      const sign = async (title, session) => {
        const consented = await ask(app, title, (tell, ends) => propose(app, who, { sign: { key: chosen, payload: { session } } }, tell, ends), { signal });
        return consented && (await released(app, consented)).signature;
      };
      const client = new NodeClient(origin);
      const session = await connectTo({ client, address: of, folder: folderOf(folder.value), life: Number(life.value), sign, tell });
      // The node decides how long it takes: meanwhile somebody else may have come.
      if (!session || signal.aborted) return;
      const isKept = await keepSession(of, session);
      const card = connected(session, of);
      fill(result, !isKept && notice('warn', 'The session ends with this page', h('p', {}, 'This browser refuses to keep it. Connect again after a reload.')), card);
      card.querySelector('h2')?.focus();
      say('Connected.');
    } catch (error) {
      fail(place, error);
    }
  };

  /**
   * @param {Session} session
   * @param {string} of address
   */
  const connected = (session, of) => {
    const name = h('input', { type: 'text', value: 'greeting', required: true, pattern: '[A-Za-z0-9._~\\-]+', autocomplete: 'off', spellcheck: 'false' });
    const value = h('input', { type: 'text', value: 'Hello from my own key.', required: true, autocomplete: 'off' });
    const read = h('div', {});
    for (const [key, field] of Object.entries({ name, value })) {
      app.drafts.bind(`connect-${key}`, field);
      field.addEventListener('input', () => fail(read, null));
    }
    const write = h('button', { type: 'submit', class: 'primary' }, 'Write and read back');
    const tryOut = async () => {
      fail(read, null);
      try {
        const back = await writeAndRead(new NodeClient(session.node), session, name.value, value.value);
        if (back !== value.value) throw otherValue();
        tell('ready', 'Written and read.');
        fill(read, notice('good', 'The node gave back what was written', facts(['Name', h('span', { class: 'mono' }, `${session.folder}${name.value}`)], ['Value', h('span', { 'data-read': true }, back)])));
        say('Written and read back.');
      } catch (error) {
        fail(read, error);
      }
    };
    const forget = async () => {
      await forgetSession(of);
      reset();
      say('The session key is gone from this browser.');
    };
    return h(
      'section',
      { class: 'card stack', 'aria-labelledby': 'connected', 'data-connected': true },
      h('h2', { id: 'connected', tabindex: -1 }, 'Connected'),
      facts(
        ['Node', h('span', { class: 'mono' }, session.node)],
        ['Space', copyable(session.space, 'space')],
        ['Folder', h('span', { class: 'mono' }, session.folder || 'everything')],
        ['Session', h('span', { class: 'mono' }, session.cid)],
        ['Until', when(session.expires)],
      ),
      h(
        'form',
        {
          class: 'stack',
          onsubmit: (/** @type {Event} */ event) => {
            event.preventDefault();
            busy(write, tryOut);
          },
        },
        h('div', { class: 'grid-2' }, field('Name of the value', name), field('Value', value)),
        h('div', { class: 'row' }, write, h('button', { type: 'button', onclick: forget }, 'Forget the session')),
        read,
      ),
    );
  };

  app.addEventListener('account', draw, { signal });
  key.addEventListener('change', () => {
    reset();
    restore().catch((error) => fail(place, error));
  });
  draw();
  drawSteps();
  load();
  return h(
    'div',
    { class: 'stack' },
    heading('Connect to a node', 'A node keeps your data. Your key says which browser may use it, for what, and until when.'),
    none,
    app.config.notNode !== undefined &&
      notice('bad', 'The host names no address of a node', h('p', {}, `The page asks a node only at an https address in lower case, without a path and without the port 443. The host’s words: “${app.config.notNode}”`), h('p', {}, 'Tell the operator of this page.')),
    app.config.node === null && app.config.notNode === undefined &&
      notice('warn', 'No node is set up here', h('p', {}, 'The host of this page does not name a node, and the browser lets the page talk to no other. Its operator starts it with --node.')),
    h(
      'div',
      { class: 'hero' },
      h(
        'form',
        {
          class: 'card stack',
          onsubmit: (/** @type {Event} */ event) => {
            event.preventDefault();
            busy(submit, run);
          },
        },
        field('Key', key),
        field('Node', node, 'The address of the node, without a path. The host of this page names it: the page can talk to no other.'),
        field('Folder', folder, 'The session can use values in this folder only. Empty means the whole space.'),
        field('For how long', life),
        h('p', { class: 'quiet small' }, 'Asked for: read, write, delete and list values, and see their kind, in your space “default”.'),
        submit,
        place,
      ),
      steps,
    ),
    result,
  );
}

/**
 * The origin of a node, if the page may talk to it: the host's headers allow one.
 * @param {string} text
 * @param {string | null} only
 */
function allowed(text, only) {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && only !== null && url.origin === only && url.pathname === '/' && !url.search && !url.hash) return url.origin;
  throw new Failure('page', 'node_address', {
    title: 'The page cannot talk to this node',
    message: only === null ? 'The host of this page names no node.' : `The browser lets this page talk to ${only} only.`,
    advice: only === null ? 'Ask the operator of this page to start its host with --node.' : `Write ${only}, or ask the operator of this page to name another node.`,
  });
}

function noAddress() {
  return new Failure('page', 'no_address', {
    title: 'The address is not proven yet',
    message: 'No enclave has signed for the address of this key in this browser.',
    advice: 'Wait until Keys shows the address, then connect.',
    retry: true,
  });
}

function otherValue() {
  return new Failure('node', 'node_other_value', {
    title: 'The node gave back something else',
    message: 'What was read is not what was written.',
    advice: 'Another browser may have written in between. Try again; if it stays, do not trust this node.',
    retry: true,
  });
}
