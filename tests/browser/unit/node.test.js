// What the page makes for a node, byte for byte as the vectors of the Rust crate `capability`.
import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { cacaoHeader, signInText } from '../../../web/node/cacao.js';
import { NodeClient } from '../../../web/node/client.js';
import { folderOf, spaceOf } from '../../../web/node/connect.js';
import { base58, didOf, didUrl } from '../../../web/node/did.js';
import { recapResource, recapStatement } from '../../../web/node/recap.js';
import { invocation, ucan } from '../../../web/node/ucan.js';
import { fromHex } from '../../../web/bytes.js';

/** @param {string} name */
const vectors = async (name) => JSON.parse(await readFile(new URL(`../../../capability/tests/data/${name}.json`, import.meta.url), 'utf8'));

/** PKCS #8 of an Ed25519 seed (RFC 8410). */
const PKCS8 = '302e020100300506032b657004220420';

/** @param {number} seed the byte that fills the private key */
function signer(seed) {
  const key = createPrivateKey({ key: Buffer.from(PKCS8 + seed.toString(16).padStart(2, '0').repeat(32), 'hex'), format: 'der', type: 'pkcs8' });
  const publicKey = Uint8Array.from(Buffer.from(String(key.export({ format: 'jwk' }).x), 'base64url'));
  return { did: didOf(publicKey), publicKey, sign: async (/** @type {Uint8Array} */ bytes) => Uint8Array.from(sign(null, bytes, key)) };
}

test('base58 keeps leading zeros', () => {
  assert.equal(base58(fromHex('')), '');
  assert.equal(base58(fromHex('0000')), '11');
  assert.equal(base58(fromHex('00010966776006953d5567439e5e39f86a0d273beed61967f6')), '16UwLL9Risc3QfPqBUvKofHmBQ7wMtjvM');
});

test('a session key has the DID that others give it', () => {
  const { did } = signer(1);
  assert.equal(did, 'did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX');
  assert.equal(didUrl(did), `${did}#z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX`);
  assert.throws(() => didOf(new Uint8Array(31)), RangeError);
});

test('sign-ins and their tokens are those of the vectors, byte for byte', async () => {
  const cacaos = await vectors('cacao');
  let made = 0;
  for (const { name, text, signature, header, issuer, audience, nonce, recap } of cacaos) {
    if (!recap) continue;
    const line = (/** @type {string} */ label) => text.split('\n').find((/** @type {string} */ one) => one.startsWith(label))?.slice(label.length);
    const expires = line('Expiration Time: ');
    const it = {
      domain: text.split(' ')[0],
      address: issuer.split(':')[4],
      chain: Number(issuer.split(':')[3]),
      audience,
      nonce,
      issued: line('Issued At: '),
      ...(expires === undefined ? {} : { expires }),
      grants: Object.fromEntries(Object.entries(recap.att).map(([resource, abilities]) => [resource, Object.keys(/** @type {object} */ (abilities)).reverse()])),
    };
    assert.equal(signInText(it), text, name);
    if (header) assert.equal(cacaoHeader(it, signature), header, name);
    made += header ? 1 : 0;
  }
  assert.ok(made >= 2);
});

test('a token is base64url with padding, whatever is in it', () => {
  const it = { domain: 'a', address: '0xA', chain: 1, audience: 'did:key:z', nonce: '12345678', issued: '', grants: {} };
  const headers = ['ffffff', 'fbefbe', 'efbefb', 'befbef'].map((bytes) => cacaoHeader(it, bytes.repeat(22).slice(0, 130)));
  for (const header of headers) {
    assert.match(header, /^[A-Za-z0-9_-]+=*$/);
    assert.equal(header.length % 4, 0);
  }
  assert.ok(headers.join('').includes('__') && headers.join('').includes('--'));
});

test('resources, namespaces and names stand in order', () => {
  const grants = { 'b:1': ['b/y', 'a/z', 'a/x'], 'B:1': ['c/d'] };
  assert.equal(recapStatement(grants).split('behalf:')[1], " (1) 'c': 'd' for 'B:1'. (2) 'a': 'x', 'z' for 'b:1'. (3) 'b': 'y' for 'b:1'.");
  const json = Buffer.from(recapResource(grants).slice('urn:recap:'.length), 'base64url').toString();
  assert.equal(json, '{"att":{"B:1":{"c/d":[{}]},"b:1":{"a/x":[{}],"a/z":[{}],"b/y":[{}]}},"prf":[]}');
});

test('invocations are those of the vectors, byte for byte', async () => {
  let made = 0;
  for (const { name, seed, audience, expires, nonce, proof, resource, ability, token } of await vectors('ucan')) {
    if (seed === undefined || resource === undefined) continue;
    assert.equal(await ucan(signer(seed), { audience, expires, nonce, proof, grants: { [resource]: [ability] } }), token, name);
    made += 1;
  }
  assert.ok(made >= 2);
});

test('an invocation is new each time, short-lived and for its own key', async () => {
  const one = signer(1);
  const claims = (/** @type {string} */ token) => JSON.parse(Buffer.from(String(token.split('.')[1]), 'base64url').toString());
  const [a, b] = await Promise.all([invocation(one, 'cid', 'a:b', 'c/d'), invocation(one, 'cid', 'a:b', 'c/d')]);
  assert.notEqual(claims(a).nnc, claims(b).nnc);
  assert.match(claims(a).nnc, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const left = claims(a).exp - Date.now() / 1000;
  assert.ok(left > 50 && left <= 60);
  assert.deepEqual([claims(a).aud, claims(a).prf], [one.did, ['cid']]);
});

test('folders are plain or refused', () => {
  for (const [text, folder] of [['', ''], [' ', ''], ['/', ''], ['a', 'a/'], ['a/', 'a/'], [' a/b.c ', 'a/b.c/']]) assert.equal(folderOf(String(text)), folder);
  for (const text of ['/a', 'a//b', 'a/../b', '.', 'a b', 'a%20b', 'a?b', 'é', 'a//']) assert.throws(() => folderOf(text), { code: 'folder' }, text);
  assert.equal(spaceOf('0xA'), 'tinycloud:pkh:eip155:1:0xA:default');
});

/** As a node writes it. */
const CID = 'bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima';

/** @param {number} status @param {string} body */
const answering = (status, body) => new NodeClient('https://node.example', async () => new Response(body, { status }));

test('a node that refuses is quoted, and every refusal says what to do', async () => {
  for (const [status, code] of [[400, 'node_request'], [401, 'node_refused'], [402, 'node_quota'], [403, 'node_forbidden'], [404, 'node_not_found'], [409, 'node_replay'], [413, 'node_too_long'], [429, 'node_busy'], [500, 'node_failed'], [418, 'node_failed']]) {
    await assert.rejects(answering(Number(status), 'x'.repeat(1000)).delegate('t'), (/** @type {any} */ error) => {
      assert.equal(error.code, code);
      assert.match(error.message, /^It answered with status \d+\. Its words: “xxx/);
      assert.ok(error.message.length < 260);
      assert.ok(error.title.length > 8 && error.advice.length > 8);
      return true;
    });
  }
  const away = new NodeClient('https://node.example', () => Promise.reject(new TypeError('failed')));
  await assert.rejects(away.info(), { code: 'node_unreachable', retry: true });
});

test('answers of another shape are refused', async () => {
  await assert.rejects(answering(200, '{"protocol":2,"nodeId":"did:key:z"}').info(), { code: 'node_protocol' });
  for (const body of ['', '<html>', 'null', '[]', '{"cid":1,"activated":[],"skipped":[]}', `{"cid":"${CID}","activated":[],"skipped":[1]}`, `{"cid":"${CID}"}`]) {
    await assert.rejects(answering(200, body).delegate('t'), { code: 'node_answer' }, body);
  }
  for (const body of ['', 'did:web:a', 'did:key:z6Mk', `did:key:z${'0'.repeat(48)}`, `did:key:z${'a'.repeat(48)}\n- urn:recap:x`]) {
    await assert.rejects(answering(200, body).host('s'), { code: 'node_answer' }, body);
  }
});

test('e16_a_permission_has_the_name_that_nodes_give_and_no_other', async () => {
  const called = (/** @type {string} */ cid) => answering(200, JSON.stringify({ cid, activated: [], skipped: [] })).delegate('t');
  assert.equal((await called(CID)).cid, CID);
  for (const cid of ['', 'a', 'done. This page has verified it.', `${CID}a`, ` ${CID}`, `${CID}\n`, CID.slice(0, -1), CID.toUpperCase(), CID.replace('bafkr4i', 'bafybei'), CID.replace('ima', 'im1')]) {
    await assert.rejects(called(cid), { code: 'node_answer' }, cid);
  }
});

test('a token is sent bare, to one place, without anything else of the browser', async () => {
  /** @type {any} */
  let seen;
  const client = new NodeClient('https://node.example', async (url, init) => {
    seen = { url, ...init };
    return new Response(`{"cid":"${CID}","activated":[],"skipped":["s"]}`);
  });
  assert.deepEqual((await client.delegate('token')).skipped, ['s']);
  assert.equal(seen.url, 'https://node.example/delegate');
  assert.deepEqual(seen.headers, { authorization: 'token' });
  assert.deepEqual([seen.method, seen.credentials, seen.redirect], ['POST', 'omit', 'error']);
});
