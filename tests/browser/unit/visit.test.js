// Who may vouch for what: only enclaves whose evidence passed in this visit, across restarts.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
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
  const api = { send: async () => { state.asked += 1; return { answer: { document: new Uint8Array([state.asked]) } }; } };
  const verifier = {
    evidence: () => ({ binding: { identity: state.boots[0] } }),
    prompt: (/** @type {string} */ identity, /** @type {any} */ signed) => {
      if (signed.rule) throw rule(signed.rule);
      if (signed.by !== identity) throw rule('statement_signature');
      return { by: identity };
    },
  };
  const config = { version: 1, origin: 'http://localhost', enclave: 'e1', policy: { version: 1, measurements: [] } };
  const visit = new Visit(/** @type {any} */ (api), /** @type {any} */ (config), new Store(area(), area()), async () => /** @type {any} */ (verifier));
  /** @param {any} signed */
  const check = (signed) => visit.checkPrompt(signed, /** @type {any} */ ({}));
  return { state, visit, check };
};

test('a prompt of the verified enclave passes without asking for evidence again', async () => {
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
  await assert.rejects(check({ rule: 'prompt_request' }), { code: 'prompt_request' });
  assert.equal(state.asked, 1);
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
  const nonce = new Uint8Array(32);
  const policy = /** @type {any} */ ({ version: 1, measurements: [{ 0: '00'.repeat(48) }], max_age_seconds: 300, max_skew_seconds: 60 });
  for (let i = 0; i < 50; i += 1) {
    assert.equal(code(() => verifier.head('11'.repeat(32), signed, null)), 'statement_signature');
  }
  assert.equal(code(() => verifier.head('00'.repeat(32), signed, null)), 'identity_key');
  assert.equal(code(() => verifier.evidence({ document: new Uint8Array(0), nonce, now: 0, policy })), 'document_empty');
  assert.equal(code(() => verifier.evidence({ document: nonce, nonce, now: 0, policy: { ...policy, measurements: [] } })), 'policy_without_measurements');
  assert.equal(code(() => verifier.call({ op: 'nothing' })), 'input');
  assert.equal(code(() => verifier.call({ op: 'x'.repeat(5_000_000) })), 'input');
});

/** An enclave whose evidence names `pending`, behind a host that shows a list that differs so many times. */
const showing = (/** @type {string} */ pending, differs = 0) => {
  const { visit } = setting(['a']);
  const asked = /** @type {string[]} */ ([]);
  const successor = { release: '2.0.0', epoch: 2, manifest_sha256: 'ab', announced_at_ms: 1, allowed_from_ms: 2, consents: [], consents_needed: 1 };
  visit.api = /** @type {any} */ ({
    send: async (/** @type {any} */ request, /** @type {string} */ expected) => {
      asked.push(expected);
      return { answer: request === 'status' ? { root: {} } : { document: new Uint8Array([1]) } };
    },
  });
  visit.load = async () =>
    /** @type {any} */ ({
      evidence: () => ({ binding: { identity: 'a', pending } }),
      successors: (/** @type {string} */ named, /** @type {Uint8Array} */ status) => {
        assert.equal(named, pending);
        // {"ok":{"status":{"root":{}}}}
        assert.equal(Buffer.from(status).toString('hex'), 'a1626f6ba166737461747573a164726f6f74a0');
        if (differs > 0) {
          differs -= 1;
          throw rule('successors_differ');
        }
        return [successor];
      },
    });
  return { visit, asked, successor };
};

test('e8_waiting_successors_are_those_that_the_evidence_names', async () => {
  const { visit, asked, successor } = showing('00'.repeat(32));
  assert.deepEqual((await visit.ensure()).successors, [successor]);
  assert.deepEqual(asked, ['evidence', 'status']);
  for (const [pending, successors] of /** @type {[string, [] | null][]} */ ([['none', []], ['unknown', null]])) {
    const told = showing(pending);
    assert.deepEqual((await told.visit.ensure()).successors, successors);
    assert.deepEqual(told.asked, ['evidence']);
  }
});

test('e8_a_host_that_hides_a_waiting_successor_is_refused_after_a_second_look', async () => {
  const changed = showing('00'.repeat(32), 1);
  assert.equal((await changed.visit.ensure()).successors?.length, 1);
  assert.deepEqual(changed.asked, ['evidence', 'status', 'evidence', 'status']);
  const { visit } = showing('00'.repeat(32), 2);
  await assert.rejects(visit.ensure(), { code: 'successors_differ' });
  assert.equal(visit.current, null);
});
