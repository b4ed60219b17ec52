// Several tabs of one browser, and a host that empties the storage that they share: what one of them has learned counts
// in all, in whatever order they write, read, hear and bring back.
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
/** A storage that tells the other tabs what is written, as browsers do. @param {Store[]} tabs */
const telling = (...tabs) => {
  const local = area();
  /** @type {{ from: Store, key: string, text: string | null, before: string | null }[]} */
  const told = [];
  const deliver = () => {
    for (const { from, key, text, before } of told.splice(0)) for (const tab of tabs) if (tab !== from) tab.hear(key, text, before);
  };
  const open = () => {
    const store = new Store(area(), area());
    const write = (/** @type {string} */ key, /** @type {string | null} */ text) => {
      const before = local.getItem(key);
      if (text === null) local.removeItem(key);
      else local.setItem(key, text);
      if (text !== before) told.push({ from: store, key, text, before });
    };
    store.local = { getItem: local.getItem, setItem: write, removeItem: (key) => write(key, null) };
    tabs.push(store);
    return store;
  };
  return { local, open, deliver };
};
const account = '0a'.repeat(32);
const userHandle = '07'.repeat(16);
const head = (/** @type {number} */ version, byte = `0${version}`) => ({ account, version, hash: byte.repeat(32), entry: byte.repeat(32) });
const known = (/** @type {number} */ version, at = version) => {
  const { hash, entry } = head(version);
  return { head: { account: fromHex(account), version, hash: fromHex(hash), entry: fromHex(entry) }, shown_at: at };
};
const versions = (/** @type {Store} */ store) => store.heads(account).map((one) => one.head.version);
const deployment = (/** @type {number} */ epoch, root = 'aa') => JSON.stringify({ version: 1, root_id: root, epoch });
const epochs = (/** @type {Store} */ store) => store.deployments().map((text) => JSON.parse(text).epoch);
const session = (of = account) => ({ account: of, userHandle, token: new Uint8Array([1]), name: 'n', expiresAt: Date.now() + 60_000 });

test('f12_what_is_finished_wins_over_unfinished_in_every_tab_and_in_either_order', () => {
  for (const empties of [false, true]) {
    for (const first of [0, 1]) {
      const local = area();
      const [a, b] = [new Store(local, area()), new Store(local, area())];
      a.beginAccount(userHandle);
      // The other tab looks while the receipt is awaited.
      assert.equal(b.isUnfinished(userHandle), true);
      a.keepAccount(userHandle, account);
      if (empties) local.map.clear();
      const order = first === 0 ? [a, b] : [b, a];
      assert.deepEqual(order.map((one) => one.restore()), empties ? [true, first === 1] : [false, false]);
      for (const one of [a, b, new Store(local, area())]) assert.equal(one.isUnfinished(userHandle), false);
      assert.equal(b.isFinished(userHandle), true);
      // Nor does it begin again.
      b.beginAccount(userHandle);
      assert.equal(local.getItem(`openkey.unfinished.${userHandle}`), '"finished"');
    }
  }
});

test('f12_an_account_that_is_kept_is_finished_whatever_else_is', () => {
  const local = area();
  const store = new Store(local, area());
  store.keepAccount(userHandle, account);
  local.setItem(`openkey.unfinished.${userHandle}`, 'true');
  const fresh = new Store(local, area());
  assert.deepEqual([fresh.isUnfinished(userHandle), store.isUnfinished(userHandle)], [false, false]);
  // Its copy of the end puts the storage right.
  assert.equal(store.restore(), false);
  local.removeItem(`openkey.account.${userHandle}`);
  assert.equal(new Store(local, area()).isUnfinished(userHandle), false);
});

test('f12_a_tab_that_heard_of_the_end_keeps_it_though_nobody_read_it', () => {
  const { local, open, deliver } = telling();
  const [a, b] = [open(), open()];
  a.beginAccount(userHandle);
  assert.equal(b.isUnfinished(userHandle), true);
  a.keepAccount(userHandle, account);
  local.map.clear();
  deliver();
  assert.equal(b.isUnfinished(userHandle), false);
  assert.equal(b.restore(), true);
  assert.equal(new Store(local, area()).isUnfinished(userHandle), false);
  assert.equal(new Store(local, area()).account(userHandle), account);
});

test('f12_a_sign_up_in_one_tab_ends_nobody_s_session_in_another', () => {
  const local = area();
  const [a, b] = [new Store(local, area()), new Store(local, area())];
  b.keepSession(session('0b'.repeat(32)));
  const app = new App(/** @type {any} */ ({}), /** @type {any} */ ({}), b, /** @type {any} */ ({}));
  clearTimeout(app.timer);
  a.beginAccount(userHandle);
  assert.equal(b.isUnfinished(userHandle), true);
  a.keepAccount(userHandle, account);
  app.checkMemory();
  assert.ok(app.session);
});

test('e15_what_somebody_forgot_comes_back_from_no_tab', () => {
  for (const hears of [false, true]) {
    const { local, open, deliver } = telling();
    const [a, b] = [open(), open()];
    a.keepDeployment(deployment(2));
    if (hears) deliver();
    assert.deepEqual(epochs(b), [2]);
    a.keepDeployment(null);
    if (hears) deliver();
    assert.equal(b.restore(), false, 'nothing was lost');
    assert.deepEqual([local.getItem('openkey.deployment'), epochs(a), epochs(b)], [null, [], []]);
    assert.notEqual(b.forgotten, null);
    a.keepDeployment(deployment(1));
    if (hears) deliver();
    assert.deepEqual([epochs(a), epochs(b)], [[1], [1]]);
  }
});

test('e15_what_somebody_forgot_is_forgotten_where_it_was_heard_though_the_storage_lost_it', () => {
  const { local, open, deliver } = telling();
  const [a, b] = [open(), open()];
  a.keepDeployment(deployment(2));
  deliver();
  a.keepDeployment(null);
  local.map.clear();
  deliver();
  assert.deepEqual(epochs(b), []);
  b.restore();
  assert.equal(local.getItem('openkey.deployment'), null);
});

test('e15_an_epoch_that_any_tab_has_seen_never_goes_down', () => {
  const { local, open, deliver } = telling();
  const [a, b, c] = [open(), open(), open()];
  a.keepDeployment(deployment(1));
  for (const one of [b, c]) assert.deepEqual(epochs(one), [1]);
  a.keepDeployment(deployment(2));
  // One has read it, another one has heard it, and then the storage loses it.
  assert.deepEqual(epochs(b), [2]);
  local.map.clear();
  deliver();
  for (const one of [c, b]) {
    assert.deepEqual(epochs(one), [2]);
    local.map.clear();
    assert.equal(one.restore(), true);
    assert.deepEqual(epochs(new Store(local, area())), [2]);
  }
  // A lower one does not count, whoever brings it; where it lies in the storage it is put right.
  b.keepDeployment(deployment(1));
  assert.equal(local.getItem('openkey.deployment'), deployment(2));
  local.setItem('openkey.deployment', deployment(1));
  assert.deepEqual(epochs(c), [2]);
  assert.deepEqual(epochs(new Store(local, area())), [2]);
  // Another deployment counts beside it, also when it is gone from the storage.
  local.setItem('openkey.deployment', deployment(7, 'bb'));
  for (const clears of [false, true]) {
    if (clears) local.map.clear();
    assert.deepEqual(epochs(b), [2, 7]);
  }
  assert.equal(b.restore(), true);
  assert.equal(local.getItem('openkey.deployment'), deployment(7, 'bb'));
  // Damage counts while it is there, and is brought back by nobody.
  local.setItem('openkey.deployment', '{');
  assert.deepEqual(c.deployments(), [deployment(2), '{']);
  local.map.clear();
  assert.deepEqual(c.deployments(), [deployment(2)]);
});

test('e15_what_a_tab_saw_before_another_one_remembered_a_lower_epoch_counts', () => {
  const local = area();
  const visit = (/** @type {Store} */ store) => new Visit(/** @type {any} */ ({}), /** @type {any} */ ({}), store, async () => /** @type {any} */ ({}), async () => ({ anchor: null, releases: null }), { hostname: 'localhost', origin: 'http://localhost' });
  const [a, b] = [new Store(local, area()), new Store(local, area())];
  const seen = visit(a);
  seen.highest = /** @type {any} */ ({ known: deployment(2) });
  b.keepDeployment(deployment(1));
  assert.equal(seen.remember(), false);
  assert.equal(seen.current, null);
  assert.deepEqual([epochs(a), epochs(b), epochs(new Store(local, area()))], [[2], [2], [2]]);
  // Of another deployment it says nothing.
  local.map.clear();
  const other = visit(new Store(local, area()));
  other.highest = /** @type {any} */ ({ known: deployment(2, 'bb') });
  b.restore();
  assert.equal(other.current, null);
  assert.deepEqual(epochs(b), [2]);
  // What somebody forgets is forgotten here, too.
  b.keepDeployment(null);
  b.keepDeployment(deployment(1));
  assert.equal(seen.current, null);
  assert.deepEqual([seen.highest, epochs(a)], [null, [1]]);
});

test('e2_a_head_that_another_tab_showed_to_continue_takes_the_place_of_the_one_before', async () => {
  const { local, open, deliver } = telling();
  const [a, b] = [open(), open()];
  const keep = (/** @type {Store} */ store, /** @type {any} */ asked, /** @type {number} */ to) => keepHead(store, [{ asked, head: head(to), at: to }], undefined);
  await keep(a, null, 3);
  deliver();
  for (const to of [4, 5]) await keep(a, known(to - 1), to);
  // Read before it is heard.
  assert.deepEqual(versions(b), [3, 5]);
  deliver();
  assert.deepEqual(versions(b), [5]);
  assert.equal(b.head(account)?.shown_at, 5);
  // An idle tab brings back what it heard.
  await keep(a, known(5), 6);
  deliver();
  local.map.clear();
  assert.equal(b.restore(), true);
  assert.deepEqual(versions(new Store(local, area())), [6]);
  // What takes no known head's place has to be continued beside it; the newest is brought back.
  for (const tell of [true, false]) {
    local.map.clear();
    await keep(open(), null, tell ? 4 : 2);
    if (tell) deliver();
    assert.deepEqual(versions(b), tell ? [6, 4] : [6, 4, 2]);
  }
  local.map.clear();
  assert.equal(b.restore(), true);
  assert.deepEqual(versions(new Store(local, area())), [6]);
  assert.deepEqual(versions(b), [6, 4, 2]);
});

test('e2_a_later_look_is_replaced_by_nothing_that_continues_an_earlier_one', () => {
  const store = new Store(area(), area());
  const text = (/** @type {number} */ version, /** @type {number} */ at) => JSON.stringify({ version, hash: head(version).hash, entry: head(version).entry, shownAt: at });
  const hear = (/** @type {string} */ one, /** @type {string | null} */ before = null) => store.hear(`openkey.head.${account}`, one, before);
  hear(text(3, 10));
  hear(text(3, 5));
  assert.deepEqual(store.heads(account).map(({ shown_at }) => shown_at), [10]);
  hear(text(4, 11), text(3, 9));
  assert.deepEqual(versions(store), [3, 4]);
  hear(text(5, 12), text(3, 10));
  assert.deepEqual(versions(store), [5, 4]);
});

test('e2_a_head_that_a_tab_read_stays_a_condition_after_the_storage_lost_it', () => {
  const local = area();
  const [one, other] = [new Store(local, area()), new Store(local, area())];
  one.putHead(head(2), 1);
  other.putHead(head(9), 2);
  assert.deepEqual(versions(one), [2, 9]);
  local.map.clear();
  assert.deepEqual(versions(one), [2, 9]);
  assert.equal(one.restore(), true);
  assert.deepEqual(versions(new Store(local, area())), [9]);
  // After a reload of the tab as well.
  local.map.clear();
  assert.deepEqual(versions(new Store(local, one.tab)), [2, 9]);
  // A later look at the same is one head.
  other.putHead(head(9), 7);
  assert.deepEqual(one.heads(account).map(({ shown_at }) => shown_at), [1, 7]);
  local.map.clear();
  assert.deepEqual(one.heads(account).map(({ shown_at }) => shown_at), [1, 7]);
});

test('e2_an_answer_is_held_to_every_head_that_a_tab_knows', async () => {
  const local = area();
  const store = new Store(local, area());
  store.putHead(head(3), 3);
  for (const version of [4, 5]) {
    new Store(local, area()).putHead(head(version), version);
    store.heads(account);
  }
  assert.deepEqual(versions(store), [3, 4, 5]);
  const visit = new Visit(/** @type {any} */ ({}), /** @type {any} */ ({}), store, async () => /** @type {any} */ ({}), async () => ({ anchor: null, releases: null }), { hostname: 'localhost', origin: 'http://localhost' });
  /** @type {number[]} */
  const asked = [];
  let shows = 6;
  visit.ask = /** @type {any} */ (async (/** @type {any} */ { read }) => {
    asked.push(read.head.head.version);
    assert.ok(asked.length < 9);
    return { answer: { account: fromHex(account), name: 'n' }, head: head(shows), at: 9, keys: [] };
  });
  const shown = { asked: known(3), head: head(6), at: 9 };
  // One that never stands still is refused.
  shows = 7;
  await assert.rejects(visit.hold(shown, account, new Uint8Array([1])), { code: 'head_moved' });
  assert.ok(asked.length <= 3, `${asked}`);
  assert.deepEqual(versions(store), [3, 4, 5]);
  shows = 6;
  asked.length = 0;
  await visit.hold(shown, account, new Uint8Array([1]));
  assert.deepEqual([asked, versions(store)], [[4, 5], [6]]);

  // The same for a page that reads.
  for (const version of [7, 8]) {
    new Store(local, area()).putHead(head(version), version);
    store.heads(account);
  }
  shows = 9;
  asked.length = 0;
  store.keepSession(session());
  const app = new App(/** @type {any} */ ({}), /** @type {any} */ ({}), store, visit);
  clearTimeout(app.timer);
  await app.refresh();
  assert.deepEqual([asked, versions(store)], [[6, 7, 8], [9]]);
  assert.equal(toHex(store.heads(account)[0]?.head.hash ?? new Uint8Array()), head(9).hash);
});

test('e2_a_policy_or_a_sign_out_that_was_heard_counts_after_the_storage_lost_it', () => {
  const { local, open, deliver } = telling();
  const [a, b] = [open(), open()];
  a.keepPolicy(/** @type {any} */ ({ version: 1 }));
  const before = { out: a.out };
  assert.deepEqual([b.policy(), b.signedOut(before)], [{ version: 1 }, false]);
  a.keepPolicy(null);
  a.signOutEverywhere();
  local.map.clear();
  deliver();
  assert.deepEqual([b.policy(), b.signedOut(before), b.out], [null, true, a.out]);
  // What is told late is not the last word.
  b.keepPolicy(/** @type {any} */ ({ version: 3 }));
  b.hear('openkey.policy', '{"version":2}', 'null');
  local.map.clear();
  assert.deepEqual(b.policy(), { version: 3 });
  // What no tab keeps a copy of is nobody's loss.
  b.hear('openkey.deployment.since', '1', null);
  b.restore();
  assert.equal(local.getItem('openkey.deployment.since'), null);
});
