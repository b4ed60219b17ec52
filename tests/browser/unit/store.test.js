// What the browser keeps: what it loses is missed, sessions end, and refused storage harms nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from '../../../web/store.js';
import { siweMessage } from '../../../web/views/siwe.js';

/** @returns {any} */
const area = () => {
  const map = new Map();
  return { getItem: (/** @type {string} */ k) => map.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => map.set(k, v), removeItem: (/** @type {string} */ k) => map.delete(k) };
};
const account = '00'.repeat(32);
const userHandle = '07'.repeat(16);
const head = (/** @type {number} */ version, byte = '11') => ({ account, version, hash: byte.repeat(32), entry: byte.repeat(32) });

test('f12_a_passkey_of_a_sign_up_without_a_receipt_opens_nothing_here', () => {
  const local = area();
  const store = new Store(local, area());
  assert.equal(store.isUnfinished(userHandle), false);
  store.beginAccount(userHandle);
  assert.equal(store.isUnfinished(userHandle), true);
  // Whoever empties the storage does not make it one that counts.
  local.removeItem(`openkey.unfinished.${userHandle}`);
  assert.equal(store.isUnfinished(userHandle), true);
  store.keepAccount(userHandle, account);
  assert.equal(store.isUnfinished(userHandle), false);
});

test('a browser knows whose account a user handle led to', () => {
  const store = new Store(area(), area());
  assert.equal(store.account(userHandle), null);
  store.keepAccount(userHandle, account);
  assert.equal(store.account(userHandle), account);
  assert.equal(store.restore(), false);
});

test('an ended session is not restored', () => {
  const store = new Store(area(), area());
  const session = { account, userHandle, token: new Uint8Array([1, 2]), name: 'n', expiresAt: Date.now() + 60_000 };
  store.keepSession(session);
  assert.deepEqual(store.session(), session);
  store.keepSession({ ...session, expiresAt: Date.now() - 1 });
  assert.equal(store.session(), null);
  store.keepSession(null);
  assert.equal(store.session(), null);
});

test('signing_out_in_one_tab_ends_the_sessions_of_every_tab', () => {
  const [local, tab, copy] = [area(), area(), area()];
  const store = new Store(local, tab);
  const session = { account, userHandle, token: new Uint8Array([1, 2]), name: 'n', expiresAt: Date.now() + 60_000, out: store.out };
  store.keepSession(session);
  // A duplicated tab has a copy.
  copy.setItem('openkey.session', tab.getItem('openkey.session'));
  const other = new Store(local, copy);
  assert.ok(other.session());
  store.keepSession(null);
  store.signOutEverywhere();
  assert.equal(other.signedOut(session), true);
  assert.equal(other.session(), null);
  // A sign-in after that is another session.
  store.keepSession({ ...session, out: store.out });
  assert.ok(store.session());
});

test('e16_a_sign_out_is_not_undone_by_a_storage_that_is_emptied', () => {
  const [local, tab] = [area(), area()];
  const store = new Store(local, tab);
  const session = { account, userHandle, token: new Uint8Array([1, 2]), name: 'n', expiresAt: Date.now() + 60_000, out: store.out };
  store.signOutEverywhere();
  const first = store.out;
  assert.match(String(first), /^[0-9a-f]{16}$/);
  // As a header of the host's does it.
  local.removeItem('openkey.signed-out');
  assert.deepEqual([store.out, store.signedOut(session), new Store(local, tab).signedOut(session)], [first, true, true]);
  assert.equal(store.restore(), true);
  assert.equal(new Store(local, area()).out, first);
  // Another sign-out is another one, also where the storage was emptied before it.
  local.removeItem('openkey.signed-out');
  new Store(local, area()).signOutEverywhere();
  assert.notEqual(store.out, first);
  assert.equal(store.signedOut({ ...session, out: first }), true);
});

test('e2_a_first_sight_stays_until_somebody_has_compared_it', () => {
  const local = area();
  const [tab, other] = [area(), area()];
  const store = new Store(local, tab);
  const sight = { passkeys: 1, newest: null, before: true };
  assert.equal(store.unseen(account), null);
  store.keepSight(account, sight);
  assert.equal(store.unseen(account), null, 'nothing was taken');
  store.openSight(account, '0a');
  const second = new Store(local, other);
  second.keepSight(account, sight);
  for (const one of [store, second, new Store(local, tab), new Store(local, area())]) assert.equal(one.unseen(account)?.entry, '0a');
  assert.deepEqual(new Store(local, area()).unseen(account), { entry: '0a', sight });
  // Whoever empties the storage closes nothing.
  local.removeItem(`openkey.sight.${account}`);
  assert.equal(new Store(local, tab).unseen(account)?.entry, '0a');
  assert.equal(store.restore(), true);
  second.closeSight(account);
  for (const one of [store, second, new Store(local, tab), new Store(local, area())]) assert.equal(one.unseen(account), null);
  for (const one of [store, second]) assert.equal(one.restore(), false);
  // A late look does not open it again; another first sight does.
  store.keepSight(account, sight);
  assert.equal(second.unseen(account), null);
  store.openSight(account, '0b');
  assert.deepEqual(new Store(local, area()).unseen(account), { entry: '0b', sight: null });
});

test('a browser that refuses storage only forgets', () => {
  const broken = { getItem() { throw new Error('no'); }, setItem() { throw new Error('no'); }, removeItem() { throw new Error('no'); } };
  const store = new Store(broken, broken);
  store.putHead(head(1), 1);
  store.keepAddress(account, 0, '0xAb');
  // The page knows it as long as it is open, and does not miss what was never kept.
  assert.equal(store.head(account)?.head.version, 1);
  assert.equal(store.restore(), false);
  assert.equal(new Store(broken, broken).head(account), null);
  assert.deepEqual(store.addresses(account), {});
  assert.equal(store.session(), null);
});

test('e2_a_storage_that_is_emptied_is_missed_and_filled_again', () => {
  const [local, tab] = [area(), area()];
  const store = new Store(local, tab);
  store.putHead(head(5), 1_000);
  store.keepDeployment('{"epoch":3}');
  store.keepPolicy(/** @type {any} */ ({ version: 1 }));
  assert.equal(store.restore(), false);
  const emptied = () => {
    for (const key of [`openkey.head.${account}`, 'openkey.deployment', 'openkey.deployment.forgotten', 'openkey.policy']) local.removeItem(key);
  };
  // While the page is open, and after a reload of the tab.
  for (const page of [store, new Store(local, tab)]) {
    emptied();
    assert.equal(page.head(account)?.head.version, 5);
    assert.equal(page.deployment(), '{"epoch":3}');
    assert.deepEqual(page.policy(), { version: 1 });
    assert.equal(page.restore(), true);
    assert.equal(page.restore(), false);
    const other = new Store(local, area());
    assert.equal(other.head(account)?.head.version, 5);
    assert.equal(other.deployment(), '{"epoch":3}');
  }
});

test('e15_a_deployment_counts_beside_the_one_that_another_tab_has_until_somebody_forgets_it', () => {
  const local = area();
  const [one, other] = [new Store(local, area()), new Store(local, area())];
  one.keepDeployment('first');
  assert.deepEqual(other.deployments(), ['first']);
  // Emptied, and another one taken in a new tab.
  for (const key of ['openkey.deployment', 'openkey.deployment.forgotten']) local.removeItem(key);
  new Store(local, area()).keepDeployment('second');
  assert.deepEqual(one.deployments(), ['first', 'second']);
  assert.deepEqual(other.deployments(), ['first', 'second']);
  // What a person forgets in one tab is forgotten in all.
  other.keepDeployment(null);
  assert.deepEqual(one.deployments(), []);
  other.keepDeployment('third');
  assert.deepEqual(one.deployments(), ['third']);
  assert.deepEqual(other.deployments(), ['third']);
  // Emptied after that, by nobody who forgot it.
  for (const key of ['openkey.deployment', 'openkey.deployment.forgotten']) local.removeItem(key);
  new Store(local, area()).keepDeployment('fourth');
  assert.deepEqual(one.deployments(), ['third', 'fourth']);
});

test('the composed sign-in message follows EIP-4361 line by line', () => {
  const parts = { domain: 'a.example', address: `0x${'0'.repeat(40)}`, statement: 'Hi.', uri: 'https://a.example/', chain: '1', nonce: 'abcdefgh', issued: new Date(0), minutes: 1 };
  assert.equal(
    siweMessage(parts),
    `a.example wants you to sign in with your Ethereum account:\n0x${'0'.repeat(40)}\n\nHi.\n\nURI: https://a.example/\nVersion: 1\nChain ID: 1\nNonce: abcdefgh\nIssued At: 1970-01-01T00:00:00.000Z\nExpiration Time: 1970-01-01T00:01:00.000Z`,
  );
  assert.match(siweMessage({ ...parts, statement: '' }), /0{40}\n\n\nURI:/);
});
