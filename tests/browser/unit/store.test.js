// What the browser keeps: heads only go up, sessions end, and refused storage harms nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from '../../../web/store.js';
import { toHex } from '../../../web/bytes.js';
import { siweMessage } from '../../../web/views/siwe.js';

/** @returns {any} */
const area = () => {
  const map = new Map();
  return { getItem: (/** @type {string} */ k) => map.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => map.set(k, v), removeItem: (/** @type {string} */ k) => map.delete(k) };
};
const account = '00'.repeat(32);
const userHandle = '07'.repeat(16);
const head = (/** @type {number} */ version, byte = '11') => ({ account, version, hash: byte.repeat(32), entry: byte.repeat(32) });

test('e2_the_newest_head_is_kept_and_never_an_older_one', () => {
  const store = new Store(area(), area());
  assert.equal(store.head(account), null);
  store.keepHead(head(5), 1_000);
  store.keepHead(head(4, '22'), 9_000);
  const known = () => store.head(account);
  assert.equal(known()?.head.version, 5);
  assert.equal(toHex(known()?.head.hash ?? new Uint8Array()), '11'.repeat(32));
  // The time at which it was shown goes up with every look, and belongs to this head.
  assert.equal(known()?.shown_at, 1_000);
  store.keepHead(head(5), 3_000);
  store.keepHead(head(5), 2_000);
  assert.equal(known()?.shown_at, 3_000);
  store.keepHead(head(6, '33'), 2_500);
  assert.equal(known()?.head.version, 6);
  assert.equal(known()?.shown_at, 2_500);
  assert.equal(toHex(known()?.head.entry ?? new Uint8Array()), '33'.repeat(32));
});

test('f12_a_passkey_of_a_sign_up_without_a_receipt_opens_nothing_here', () => {
  const store = new Store(area(), area());
  assert.equal(store.isUnfinished(userHandle), false);
  store.beginAccount(userHandle);
  assert.equal(store.isUnfinished(userHandle), true);
  store.keepAccount(userHandle, account);
  assert.equal(store.isUnfinished(userHandle), false);
});

test('a browser knows whose account a user handle led to', () => {
  const store = new Store(area(), area());
  assert.equal(store.account(userHandle), null);
  store.keepAccount(userHandle, account);
  assert.equal(store.account(userHandle), account);
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

test('a browser that refuses storage only forgets', () => {
  const broken = { getItem() { throw new Error('no'); }, setItem() { throw new Error('no'); }, removeItem() { throw new Error('no'); } };
  const store = new Store(broken, broken);
  store.keepHead(head(1), 1);
  store.keepAddress(account, 0, '0xAb');
  assert.equal(store.head(account), null);
  assert.deepEqual(store.addresses(account), {});
  assert.equal(store.session(), null);
});

test('the composed sign-in message follows EIP-4361 line by line', () => {
  const parts = { domain: 'a.example', address: `0x${'0'.repeat(40)}`, statement: 'Hi.', uri: 'https://a.example/', chain: '1', nonce: 'abcdefgh', issued: new Date(0), minutes: 1 };
  assert.equal(
    siweMessage(parts),
    `a.example wants you to sign in with your Ethereum account:\n0x${'0'.repeat(40)}\n\nHi.\n\nURI: https://a.example/\nVersion: 1\nChain ID: 1\nNonce: abcdefgh\nIssued At: 1970-01-01T00:00:00.000Z\nExpiration Time: 1970-01-01T00:01:00.000Z`,
  );
  assert.match(siweMessage({ ...parts, statement: '' }), /0{40}\n\n\nURI:/);
});
