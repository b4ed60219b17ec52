// Programs between the page and its address: found by any sign of them, and removed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropToken, Store } from '../../../web/store.js';
import { App } from '../../../web/state.js';
import { foundWorkers } from '../../../web/workers.js';

/** @param {{ controller?: unknown, all?: number, refused?: boolean, stays?: boolean }} given */
const browser = ({ controller = null, all = 0, refused = false, stays = false }) => {
  const state = { removed: 0 };
  const unregister = async () => {
    if (stays) throw new Error('stays');
    state.removed += 1;
    return true;
  };
  const getRegistrations = async () => {
    if (refused) throw new Error('SecurityError');
    return Array.from({ length: all }, () => ({ unregister }));
  };
  return { state, workers: { controller, getRegistrations } };
};

const never = () => assert.fail('there is none');

test('a browser without such programs is one', async () => {
  assert.equal(await foundWorkers(never, undefined), false);
  assert.equal(await foundWorkers(never, browser({}).workers), false);
  assert.equal(await foundWorkers(never, browser({ refused: true }).workers), false);
});

test('e15_a_service_worker_is_found_and_removed_whichever_way_it_shows', async () => {
  let told = 0;
  const found = () => void (told += 1);
  const { state, workers } = browser({ all: 2 });
  assert.equal(await foundWorkers(found, workers), true);
  assert.equal(state.removed, 2);
  assert.equal(await foundWorkers(found, browser({ controller: {} }).workers), true);
  assert.equal(await foundWorkers(found, browser({ controller: {}, refused: true }).workers), true);
  assert.equal(await foundWorkers(found, browser({ all: 1, stays: true }).workers), true);
  assert.equal(told, 4);
});

/** @returns {any} */
const area = () => {
  const map = new Map();
  return { getItem: (/** @type {string} */ k) => map.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => map.set(k, v), removeItem: (/** @type {string} */ k) => map.delete(k) };
};
const session = () => ({ account: '00'.repeat(32), userHandle: '07'.repeat(16), token: new Uint8Array([1, 2]), name: 'n', expiresAt: Date.now() + 60_000 });

test('e15_a_page_that_does_not_start_because_of_a_service_worker_keeps_no_read_token', async () => {
  const tab = area();
  new Store(area(), tab).keepSession(session());
  const { state, workers } = browser({ all: 1 });
  const dropped = () => {
    assert.equal(state.removed, 0, 'the token is dropped first');
    dropToken(() => tab);
  };
  assert.equal(await foundWorkers(dropped, workers), true);
  assert.equal(tab.getItem('openkey.session'), null);
  // A browser that refuses storage has none.
  dropToken(() => { throw new Error('SecurityError'); });
});

test('e15_a_page_that_a_service_worker_takes_keeps_no_read_token_and_takes_no_other', () => {
  const [local, tab] = [area(), area()];
  const store = new Store(local, tab);
  const app = new App(/** @type {any} */ ({}), /** @type {any} */ ({}), store, /** @type {any} */ ({ remember: () => false }));
  app.signIn(session());
  assert.notEqual(tab.getItem('openkey.session'), null);
  app.stop();
  assert.equal(app.session, null);
  assert.equal(tab.getItem('openkey.session'), null);
  // A sign-in that was under way.
  assert.throws(() => app.signIn(session()), { code: 'session_ended' });
  assert.deepEqual([app.session, tab.getItem('openkey.session')], [null, null]);
  assert.equal(store.outs, 0, 'nobody signed out');
});

/** As much of a browser as a page needs that says why it does not go on. @param {Record<string, unknown>} given */
const page = (given) => {
  const element = () => new Proxy(() => {}, { get: (_, name) => (name === 'hidden' ? false : () => undefined) });
  const document = { getElementById: element, createElement: element, createElementNS: element };
  const before = new Map(Object.keys({ document, ...given }).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]));
  for (const [name, value] of Object.entries({ document, ...given })) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return () => {
    for (const [name, old] of before) {
      if (old) Object.defineProperty(globalThis, name, old);
      else Reflect.deleteProperty(globalThis, name);
    }
  };
};

test('e15_the_page_that_ends_stops_what_it_knows', async () => {
  const leave = page({});
  try {
    const { Shell } = await import('../../../web/shell.js');
    let stopped = 0;
    const shell = new Shell(/** @type {any} */ ({ stop: () => void (stopped += 1) }), document.createElement('main'));
    shell.end(document.createElement('p'));
    assert.deepEqual([shell.over, stopped], [true, 1]);
  } finally {
    leave();
  }
});

test('e15_the_page_that_finds_a_service_worker_drops_the_read_token_of_its_tab', async () => {
  const tab = area();
  tab.setItem('openkey.session', '{}');
  const found = browser({ all: 1 });
  const leave = page({ sessionStorage: tab, location: { host: 'localhost' }, navigator: { serviceWorker: found.workers } });
  try {
    await import('../../../web/app.js');
    while (found.state.removed === 0) await new Promise((next) => setTimeout(next, 1));
    assert.equal(tab.getItem('openkey.session'), null);
  } finally {
    leave();
  }
});
