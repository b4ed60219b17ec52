// The one way out: bytes sent, replies read, and every failure in words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerIn, Api, unsigned } from '../../../web/api.js';
import { decode, encode } from '../../../web/cbor.js';
import { asFailure, enclaveFailure, Failure, passkeyFailure } from '../../../web/errors.js';
import { patiently } from '../../../web/patience.js';

/** @param {(url: string, init: any) => Response | Promise<Response>} answer */
const api = (answer) => new Api('e1', /** @type {any} */ (async (/** @type {string} */ url, /** @type {any} */ init) => answer(url, init)));
const nonce = new Uint8Array(32);
const cbor = (/** @type {unknown} */ value) => new Response(encode(value), { headers: { 'content-type': 'application/cbor' } });
const json = (/** @type {number} */ status, /** @type {unknown} */ body, headers = {}) => new Response(JSON.stringify(body), { status, headers });

/** @param {Promise<unknown>} promise @returns {Promise<Failure>} */
const failure = (promise) => promise.then(() => assert.fail('did not fail'), (error) => {
  assert.ok(error instanceof Failure, String(error));
  assert.ok(error.title && error.message && error.advice, error.code);
  return error;
});

/** A reply whose answer says this; nobody here looks at its signature. @param {unknown} result */
const signed = (result) => ({ answer: { body: encode({ result }), signature: new Uint8Array(64) } });
/** @param {string} code */
const refusal = (code) => ({ code, message: 'm', advice: 'a' });

test('a request goes to its class as deterministic CBOR in an envelope of its own', async () => {
  /** @type {[string, any][]} */
  const seen = [];
  const talk = api((url, init) => {
    seen.push([url, init]);
    return cbor({ bare: { evidence: { document: nonce } } });
  });
  const first = await talk.send({ evidence: { nonce } });
  assert.equal(seen[0]?.[0], '/api/v1/enclaves/e1/evidence');
  assert.equal(seen[0]?.[1].headers['content-type'], 'application/cbor');
  assert.equal(seen[0]?.[1].credentials, 'omit');
  assert.deepEqual(decode(first.call), { nonce: first.nonce, request: { evidence: { nonce } } });
  assert.equal(first.nonce.length, 32);
  // The same request again is another call: no earlier answer serves it.
  const second = await talk.send({ evidence: { nonce } });
  assert.notDeepEqual(second.nonce, first.nonce);
  assert.deepEqual(await talk.evidence(nonce), nonce);
});

test('each refusal of the enclave has a title and advice, also one that is newer than this page', () => {
  for (const code of ['rolled_back', 'last_passkey', 'context_used', 'some_new_rule', 'constructor']) {
    const error = enclaveFailure(refusal(code));
    assert.ok(error.title && error.advice);
    assert.deepEqual([error.party, error.code, error.message], ['enclave', code, 'm']);
  }
});

test('every code of the protocol has words of its own', async () => {
  const { readFile } = await import('node:fs/promises');
  const rust = await readFile(new URL('../../../protocol/src/message/error.rs', import.meta.url), 'utf8');
  const body = rust.slice(rust.indexOf('pub enum ErrorCode'));
  const codes = [...body.matchAll(/^ {4}([A-Z][A-Za-z]+),$/gm)].map((m) => String(m[1]).replace(/(?<!^)([A-Z])/g, '_$1').toLowerCase());
  assert.ok(codes.length > 25, `only ${codes.length} codes found`);
  for (const code of codes) assert.notEqual(enclaveFailure(refusal(code)).title, 'The enclave refused', code);
});

test('e16_a_refusal_without_a_signature_is_the_hosts_word', async () => {
  const bare = { bare: { refused: refusal('unknown_account') } };
  const { reply } = await api(() => cbor(bare)).send({ sign_in: { origin: 'o' } });
  for (const failed of [unsigned(reply), await failure(api(() => cbor(bare)).evidence(nonce)), await failure(api(() => cbor(signed({ refused: refusal('unknown_account') }))).evidence(nonce))]) {
    assert.deepEqual([failed.party, failed.code, failed.retry], ['host', 'unsigned_refusal', false]);
    assert.match(failed.message, /unknown_account/);
  }
});

test('an answer is read out of its signed bytes, and another kind is none', async () => {
  const { reply } = await api(() => cbor(signed({ ok: { account: { name: 'Ada' } } }))).send({ sign_in: { origin: 'o' } });
  assert.ok('answer' in reply);
  assert.equal(answerIn(reply.answer, 'account').name, 'Ada');
  assert.throws(() => answerIn(reply.answer, 'history'), { code: 'wrong_answer' });
});

test('failures of the host say when to try again', async () => {
  const words = { code: 'too_many', message: 'Too many.', advice: 'Wait.', request_id: 'abc' };
  const slow = await failure(api(() => json(429, words, { 'retry-after': '7' })).send({ evidence: { nonce } }));
  assert.equal(slow.advice, 'Try again in 7 s.');
  assert.equal(slow.retry, true);
  assert.match(slow.message, /abc/);
  for (const status of [400, 403, 404, 405, 413, 415]) {
    assert.equal((await failure(api(() => json(status, words)).send({ evidence: { nonce } }))).retry, false);
  }
  for (const status of [500, 502, 503, 504]) {
    assert.equal((await failure(api(() => new Response('<html>', { status })).send({ evidence: { nonce } }))).retry, true);
  }
});

test('no network, no answer, and answers that are no replies', async () => {
  const send = (/** @type {() => any} */ answer) => failure(api(answer).send({ evidence: { nonce } }));
  assert.equal((await send(() => { throw new TypeError('failed to fetch'); })).code, 'offline');
  assert.equal((await send(() => { throw new DOMException('late', 'TimeoutError'); })).code, 'timeout');
  assert.equal((await send(() => new Response('hello'))).code, 'malformed_reply');
  assert.equal((await send(() => cbor('ok'))).code, 'malformed_reply');
  for (const no of [{ ok: { account: {} } }, { answer: {} }, { bare: { status: {} } }, { bare: { refused: {} } }]) {
    assert.equal((await send(() => cbor(no))).code, 'malformed_reply');
  }
});

test('an enclave that awaits its root key answers under status 503, and is asked again', async () => {
  let attempts = 0;
  const waiting = signed({ refused: { ...refusal('awaiting_root_key'), message: 'waiting for root key: 1 of 2 shares' } });
  const under503 = () => new Response(encode(waiting), { status: 503, headers: { 'content-type': 'application/cbor', 'retry-after': '1' } });
  const { reply } = await api(under503).send({ sign_in: { origin: 'o' } });
  assert.deepEqual(reply, waiting);
  const refused = enclaveFailure(refusal('awaiting_root_key'));
  assert.equal(refused.retry, true);
  await patiently(async () => {
    attempts += 1;
    if (attempts < 2) throw refused;
  });
  assert.equal(attempts, 2);
});

test('a request is repeated while the enclave is away, and only then', async () => {
  let attempts = 0;
  const away = new Failure('host', 'enclave_unreachable', { title: 't', message: 'm', advice: 'a', retry: true });
  const value = await patiently(async () => {
    attempts += 1;
    if (attempts < 3) throw away;
    return 'done';
  });
  assert.deepEqual([value, attempts], ['done', 3]);

  attempts = 0;
  const refused = new Failure('enclave', 'assertion_refused', { title: 't', message: 'm', advice: 'a', retry: true });
  await assert.rejects(patiently(async () => { attempts += 1; throw refused; }), (error) => error === refused);
  assert.equal(attempts, 1);
});

test('what the browser says about passkeys becomes words', () => {
  for (const name of ['NotAllowedError', 'AbortError', 'InvalidStateError', 'SecurityError', 'NotSupportedError', 'ConstraintError', 'UnknownError']) {
    const error = passkeyFailure(new DOMException('raw', name));
    assert.equal(error.code, name);
    assert.ok(error.title && error.message && error.advice);
  }
  assert.equal(asFailure(new Error('x')).code, 'bug');
});

test('e16_a_node_that_the_host_names_is_an_address_or_one_quoted_line', async () => {
  const config = (/** @type {unknown} */ node, more = {}) => Api.config(/** @type {any} */ (async () => json(200, { version: 1, origin: 'https://o.example', enclave: 'e1', policy: null, node, ...more })));
  assert.equal((await config('https://node.example')).node, 'https://node.example');
  assert.equal((await config('https://node.example', { notNode: 'words' })).notNode, undefined);
  assert.deepEqual([(await config(null)).node, (await config(null)).notNode], [null, undefined]);
  assert.deepEqual([(await config(undefined)).node, (await config(undefined)).notNode], [null, undefined]);
  for (const words of ['https://node.example/ “done”.\nThe enclave found … '.repeat(50), 'http://node.example', { a: 'x'.repeat(500) }, ['https://node.example'], 7, true]) {
    const { node, notNode } = await config(words);
    assert.equal(node, null);
    assert.ok(typeof notNode === 'string' && Array.from(notNode).length <= 80 && !/["“”\n]/.test(notNode), String(notNode));
  }
});
