// A head takes the place of another only if an enclave has shown that it continues it, whichever answer comes first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../../web/bytes.js';
import { keepHead } from '../../../web/heads.js';
import { App } from '../../../web/state.js';
import { Store } from '../../../web/store.js';
import { Visit } from '../../../web/visit.js';

/** @returns {any} */
const area = () => {
  const map = new Map();
  return { map, getItem: (/** @type {string} */ k) => map.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => map.set(k, v), removeItem: (/** @type {string} */ k) => map.delete(k) };
};
const account = '00'.repeat(32);
const head = (/** @type {number} */ version, byte = '11', of = account) => ({ account: of, version, hash: byte.repeat(32), entry: byte.repeat(32) });
const known = (/** @type {ReturnType<typeof head>} */ { version, hash, entry }, at = 1_000) => ({ head: { account: fromHex(account), version, hash: fromHex(hash), entry: fromHex(entry) }, shown_at: at });
const hash = (/** @type {any} */ one) => one && toHex(one.head.hash).slice(0, 2);

test('e2_a_head_is_replaced_by_what_was_shown_to_continue_it_and_by_nothing_else', async () => {
  const store = new Store(area(), area());
  const keep = (/** @type {any[]} */ ...shown) => keepHead(store, shown.map(([asked, one, at]) => ({ asked, head: one, at })), undefined);
  assert.equal(await keep([null, head(5), 1_000]), null);
  const kept = () => [store.head(account)?.head.version, hash(store.head(account)), store.head(account)?.shown_at];

  // The same again: its time only goes up.
  assert.equal(await keep([null, head(5), 3_000]), null);
  assert.equal(await keep([null, head(5), 2_000]), null);
  assert.deepEqual(kept(), [5, '11', 3_000]);

  // A higher one, an older one: of a call that carried nothing, another head, or an earlier look at this one.
  for (const one of [head(6, '22'), head(9, '22'), head(4, '22')]) {
    for (const asked of [null, known(head(4, '33')), known(head(5), 2_999)]) assert.equal(hash(await keep([asked, one, 9_000])), '11');
  }
  assert.deepEqual(kept(), [5, '11', 3_000]);

  // The same version of another history, whatever was asked.
  for (const asked of [null, known(head(4, '33')), known(head(5), 3_000)]) await assert.rejects(keep([asked, head(5, '22'), 9_000]), { party: 'page', code: 'forked' });
  assert.deepEqual(kept(), [5, '11', 3_000]);

  // Its own call carried it, or a second one found the same from there.
  assert.equal(await keep([known(head(5), 3_000), head(6, '44'), 2_500]), null);
  assert.deepEqual(kept(), [6, '44', 2_500]);
  assert.equal(hash(await keep([known(head(6, '44'), 2_500), head(8, '66'), 4_000], [null, head(7, '55'), 4_000])), '44');
  assert.equal(await keep([known(head(6, '44'), 2_500), head(7, '55'), 4_000], [null, head(7, '55'), 4_000]), null);
  assert.deepEqual(kept(), [7, '55', 4_000]);
});

test('e2_two_tabs_hold_each_other_s_heads', async () => {
  const local = area();
  const [one, other] = [new Store(local, area()), new Store(local, area())];
  /** @type {string[]} */
  const locked = [];
  const locks = /** @type {any} */ ({ request: async (/** @type {string} */ name, /** @type {any} */ run) => (locked.push(name), run()) });
  const keep = (/** @type {Store} */ store, /** @type {any} */ asked, /** @type {any} */ to, at = 2_000) => keepHead(store, [{ asked, head: to, at }], locks);
  await keep(one, null, head(5), 1_000);
  assert.equal(hash(other.head(account)), '11');
  // Both have asked with version 5; the host answers from two copies.
  assert.equal(await keep(one, known(head(5)), head(6, '22')), null);
  await assert.rejects(keep(other, known(head(5)), head(6, '33')), { code: 'forked' });
  assert.equal(hash(await keep(other, known(head(5)), head(7, '33'))), '22');
  assert.equal(hash(one.head(account)), '22');
  // What the first tab learned, the second takes when an enclave shows it.
  assert.equal(await keep(other, known(head(5)), head(6, '22'), 3_000), null);
  assert.deepEqual(other.heads(account).map(hash), ['22']);
  assert.ok(locked.length > 4 && locked.every((name) => name === 'openkey.heads'));
  // A tab whose head the browser lost and got another one for: both have to be continued.
  local.removeItem(`openkey.head.${account}`);
  const late = new Store(local, area());
  await keep(late, null, head(4, '77'), 9_000);
  assert.deepEqual(one.heads(account).map(hash), ['22', '77']);
  assert.equal(hash(await keep(one, known(head(6, '22'), 2_000), head(8, '88'))), '77');
});

/** A page whose host answers reads as it likes. @param {any[]} answers */
const page = (...answers) => {
  const store = new Store(area(), area());
  const visit = new Visit(/** @type {any} */ ({}), /** @type {any} */ ({}), store, async () => /** @type {any} */ ({}), async () => ({ anchor: null, releases: null }), { hostname: 'localhost', origin: 'http://localhost' });
  /** @type {any[]} */
  const asked = [];
  visit.ask = /** @type {any} */ (async (/** @type {any} */ request) => {
    asked.push(request.read.head);
    const next = answers.shift();
    return typeof next === 'function' ? next(app) : next;
  });
  const session = (/** @type {string} */ of) => ({ account: of, userHandle: of.slice(0, 32), token: new Uint8Array([1]), name: 'n', expiresAt: Date.now() + 60_000 });
  store.keepSession(session(account));
  const app = new App(/** @type {any} */ ({}), /** @type {any} */ ({}), store, visit);
  const ended = () => clearTimeout(app.timer);
  return { app, store, asked, session, ended };
};
const view = (/** @type {ReturnType<typeof head>} */ one, at = 2_000, of = account) => ({ answer: { account: fromHex(of), name: 'n' }, head: one, at, keys: [{ key: 0, address: `0x${of.slice(0, 40)}` }] });

test('e2_an_answer_that_came_too_late_is_asked_for_again_and_then_refused', async () => {
  const moves = (/** @type {any} */ then) => (/** @type {App} */ app) => {
    // Meanwhile another answer showed version 6.
    app.store.putHead(head(6, '22'), 1_500);
    return then;
  };
  const again = page(moves(view(head(5))), view(head(6, '22')));
  again.store.putHead(head(5), 1_000);
  await again.app.refresh();
  assert.deepEqual(again.asked.map((one) => one?.head.version), [5, 6]);
  assert.equal(hash(again.store.head(account)), '22');
  again.ended();

  const refused = page(moves(view(head(7, '33'))), (/** @type {App} */ app) => {
    app.store.putHead(head(9, '44'), 1_500);
    return view(head(8, '55'));
  });
  refused.store.putHead(head(5), 1_000);
  await assert.rejects(refused.app.refresh(), { code: 'head_moved' });
  assert.equal(refused.asked.length, 2);
  assert.equal(refused.app.account, null);
  assert.equal(hash(refused.store.head(account)), '44');
  refused.ended();
});

test('e16_an_answer_counts_for_the_session_that_asked', async () => {
  const other = '22'.repeat(32);
  const changes = (/** @type {any} */ then) => (/** @type {App} */ app) => {
    app.signOut();
    app.signIn({ account: other, userHandle: other.slice(0, 32), token: new Uint8Array([2]), name: 'm', expiresAt: Date.now() + 60_000 }, app.generation);
    return then;
  };
  const { app, store, ended } = page(changes(view(head(5))), view(head(1, '66', other), 2_000, account));
  app.visit.remember = () => false;
  await assert.rejects(app.refresh(), { code: 'session_ended' });
  assert.deepEqual([app.session?.account, app.account, app.addressOf(0), app.session?.name], [other, null, null, 'm']);
  assert.deepEqual(store.addresses(other), {});
  // A view of another account under the right head.
  await assert.rejects(app.refresh(), { code: 'head_account' });
  assert.deepEqual([app.account, store.addresses(other)], [null, {}]);
  ended();
});

test('e16_what_was_asked_with_a_token_is_dropped_once_another_one_counts', async () => {
  const { app, ended, session } = page();
  app.visit.remember = () => false;
  const late = app.withToken(account, async () => {
    app.signIn(session(account), app.generation);
    return 'of the session before';
  });
  await assert.rejects(late, { code: 'session_ended' });
  ended();
});

test('e16_a_sign_in_counts_only_in_the_generation_that_asked_for_it', () => {
  const { app, store, ended, session } = page();
  app.visit.remember = () => false;
  const other = '22'.repeat(32);
  /** Lets a sign-in begin, something else happen, and then its answer come. @param {() => void} happens */
  const late = (happens) => {
    const began = app.generation;
    happens();
    const before = app.session;
    const counts = app.signIn(session(other), began);
    if (!counts) assert.equal(app.session, before);
    return counts;
  };
  const tab = new Store(store.local, area());
  for (const [what, happens] of /** @type {[string, () => void][]} */ ([
    ['somebody signed out', () => app.signOut()],
    ['signed out again, where nobody was signed in', () => app.signOut()],
    ['signed in', () => assert.ok(app.signIn(session(account), app.generation))],
    ['in and out', () => { app.signOut(); assert.ok(app.signIn(session(account), app.generation)); app.signOut(); }],
    ['signed in again', () => assert.ok(app.signIn(session(account), app.generation))],
    ['the session ended by its time', () => app.signOut(/** @type {any} */ ({ code: 'session_ended' }))],
    ['signed out in another tab', () => tab.signOutEverywhere()],
    ['signed out in another tab, and the storage was emptied', () => { tab.signOutEverywhere(); app.checkTabs(); store.local.map.clear(); }],
  ])) assert.equal(late(happens), false, what);
  assert.equal(late(() => app.checkTabs()), true);
  assert.equal(app.session?.account, other);
  assert.equal(app.session?.out, store.out);
  ended();
});

test('e2_a_session_ends_with_what_the_browser_kept_for_it', async () => {
  const { app, store, asked } = page(view(head(5)), view(head(5)));
  await app.refresh();
  store.local.map.clear();
  await assert.rejects(app.refresh(), { code: 'memory_lost' });
  assert.equal(asked.length, 1, 'no request went out');
  assert.deepEqual([app.session, app.ended?.code], [null, 'memory_lost']);
  assert.equal(hash(new Store(store.local, area()).head(account)), '11', 'what the page knew is kept again');
});

test('e2_a_session_that_is_found_without_a_head_sees_its_account_for_the_first_time', () => {
  const [local, tab] = [area(), area()];
  const begun = new Store(local, tab);
  begun.keepSession({ account, userHandle: '07'.repeat(16), token: new Uint8Array([1]), name: 'n', expiresAt: Date.now() + 60_000 });
  const open = () => {
    const app = new App(/** @type {any} */ ({}), /** @type {any} */ ({}), new Store(local, tab), /** @type {any} */ ({}));
    clearTimeout(app.timer);
    return app;
  };
  assert.ok(open().session);
  assert.deepEqual(begun.unseen(account), { entry: null, sight: null });
  begun.closeSight(account);
  begun.putHead(head(5), 1_000);
  assert.ok(open().session);
  assert.equal(begun.unseen(account), null);
  local.map.clear();
  const reloaded = open();
  assert.deepEqual([reloaded.session, reloaded.ended?.code], [null, 'memory_lost']);
});
