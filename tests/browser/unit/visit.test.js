// Who may vouch for what: only enclaves whose evidence passed in this visit, across restarts.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { encode } from '../../../web/cbor.js';
import { Failure } from '../../../web/errors.js';
import { Store } from '../../../web/store.js';
import { Verifier } from '../../../web/verifier.js';
import { Visit } from '../../../web/visit.js';

const area = () => {
  const map = new Map();
  return { getItem: (/** @type {string} */ k) => map.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => void map.set(k, v), removeItem: (/** @type {string} */ k) => void map.delete(k) };
};
const rule = (/** @type {string} */ code) => new Failure('evidence', code, { title: 't', message: 'm', advice: 'a' });

/** An enclave whose boots have the given identities, one after the other. */
const setting = (/** @type {string[]} */ boots) => {
  const state = { boots, asked: 0 };
  /** @type {any} what the host gives for the next request */
  let next = null;
  const api = {
    evidence: async () => { state.asked += 1; return new Uint8Array([state.asked]); },
    send: async () => ({ call: new Uint8Array([1]), nonce: new Uint8Array(32), reply: next }),
  };
  const verifier = {
    evidence: () => ({ binding: { identity: state.boots[0] } }),
    answer: (/** @type {string} */ identity, /** @type {any} */ signed) => {
      if (signed.rule) throw rule(signed.rule);
      if (signed.by !== identity) throw rule('statement_signature');
      return { refused: signed.refused ?? null };
    },
  };
  const config = { version: 1, origin: 'http://localhost', enclave: 'e1', policy: { version: 1, measurements: [] } };
  const visit = new Visit(/** @type {any} */ (api), /** @type {any} */ (config), new Store(area(), area()), async () => /** @type {any} */ (verifier), 'http://localhost');
  /** @param {any} signed */
  const check = (signed) => {
    next = { answer: { ...signed, body: encode({ result: { ok: { prompted: {} } } }) } };
    return visit.ask({ sign_in: { origin: 'o' } }, 'prompted');
  };
  /** @param {any} reply */
  const given = (reply) => {
    next = reply;
    return visit.ask({ sign_in: { origin: 'o' } }, 'prompted');
  };
  return { state, visit, check, given };
};

test('an answer of the verified enclave passes without asking for evidence again', async () => {
  const { state, visit, check } = setting(['a']);
  await visit.ensure();
  await check({ by: 'a' });
  await check({ by: 'a' });
  assert.equal(state.asked, 1);
});

test('after a restart the new identity counts once its evidence was checked, and the old one still does', async () => {
  const { state, visit, check } = setting(['a']);
  await visit.ensure();
  state.boots = ['b'];
  await check({ by: 'b' });
  assert.equal(state.asked, 2);
  await check({ by: 'a' });
  assert.equal(state.asked, 2);
});

test('e5_a_stranger_never_vouches', async () => {
  const { state, visit, check } = setting(['a']);
  await visit.ensure();
  await assert.rejects(check({ by: 'stranger' }), { code: 'statement_signature' });
  assert.equal(state.asked, 2);
  assert.deepEqual([...visit.identities.keys()], ['a']);
});

test('a broken rule is the answer and asks nobody again', async () => {
  const { state, visit, check } = setting(['a']);
  await visit.ensure();
  await assert.rejects(check({ rule: 'answer_request' }), { code: 'answer_request' });
  assert.equal(state.asked, 1);
});

test('e16_a_refusal_counts_as_the_enclaves_only_under_its_signature', async () => {
  const { visit, check, given } = setting(['a']);
  await visit.ensure();
  const refused = { code: 'unknown_account', message: 'm', advice: 'a' };
  await assert.rejects(check({ by: 'a', refused }), { party: 'enclave', code: 'unknown_account' });
  await assert.rejects(check({ by: 'stranger', refused }), { party: 'evidence', code: 'statement_signature' });
  await assert.rejects(given({ bare: { refused } }), { party: 'host', code: 'unsigned_refusal' });
});

test('what was proven under one policy does not count under another', async () => {
  const { visit } = setting(['a']);
  await visit.ensure();
  visit.choose({ version: 1, measurements: [] });
  assert.equal(visit.current, null);
  visit.config.policy = null;
  visit.choose(null);
  await assert.rejects(visit.ensure(), { code: 'no_policy' });
  assert.equal(visit.failure?.code, 'no_policy');
});

test('the compiled verifier answers through its memory and names the rule', async () => {
  const verifier = await Verifier.fromBytes(await readFile(new URL('../../../web/verifier.wasm', import.meta.url)));
  const code = (/** @type {() => unknown} */ run) => {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof Failure && error.title && error.message && error.advice);
      return error.code;
    }
    return assert.fail('was accepted');
  };
  const signed = { body: new Uint8Array([0xa0]), signature: new Uint8Array(64) };
  const asked = { call: new Uint8Array([1]), origin: 'http://localhost', now: 0 };
  const nonce = new Uint8Array(32);
  const policy = /** @type {any} */ ({ version: 1, measurements: [{ 0: '00'.repeat(48) }], max_age_seconds: 300, max_skew_seconds: 60 });
  for (let i = 0; i < 50; i += 1) {
    assert.equal(code(() => verifier.answer('11'.repeat(32), signed, asked)), 'statement_signature');
  }
  assert.equal(code(() => verifier.answer('00'.repeat(32), signed, asked)), 'identity_key');
  assert.equal(code(() => verifier.evidence({ document: new Uint8Array(0), nonce, now: 0, policy })), 'document_empty');
  assert.equal(code(() => verifier.evidence({ document: nonce, nonce, now: 0, policy: { ...policy, measurements: [] } })), 'policy_without_measurements');
  assert.equal(code(() => verifier.call({ op: 'nothing' })), 'input');
  assert.equal(code(() => verifier.call({ op: 'x'.repeat(5_000_000) })), 'input');
});
