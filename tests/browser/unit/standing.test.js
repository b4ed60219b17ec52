// What the page says while an enclave serves nobody, and of evidence that has passed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enclaveFailure, hostFailure, networkFailure, unsignedRefusal } from '../../../web/errors.js';
import { patiently } from '../../../web/patience.js';
import { checkedWords, standing, waits } from '../../../web/standing.js';

test('an_enclave_without_its_root_key_is_known_by_what_it_signed', () => {
  const ready = { current: { report: { binding: { root_source: 'operators' } } }, failure: null, away: null };
  /** @param {any} change */
  const known = (change) => waits(/** @type {any} */ ({ ...ready, ...change }));
  const refusal = { code: 'awaiting_root_key', message: 'waiting for root key: 1 of 2 shares', advice: 'a' };
  assert.equal(known({}), false);
  assert.equal(known({ current: null }), false);
  assert.equal(known({ current: { report: { binding: { root_source: null } } } }), true);
  assert.equal(known({ away: enclaveFailure(refusal) }), true);
  assert.equal(known({ failure: enclaveFailure(refusal) }), true);
  // The host's word is none, and an enclave that is away for another reason is not this.
  for (const away of [unsignedRefusal(refusal), hostFailure(503, refusal)]) assert.equal(known({ away }), false);
  assert.equal(known({ away: enclaveFailure({ ...refusal, code: 'unavailable' }) }), false);
  assert.equal(known({ away: networkFailure(null) }), false);
});

test('what_is_sent_again_says_whether_nobody_answered_or_the_enclave_waits', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  /** @param {unknown} error */
  const told = async (error) => {
    /** @type {string[]} */
    const steps = [];
    const sent = patiently(() => Promise.reject(error), { tell: (step) => void steps.push(step), most: 1 }).catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(500);
    await sent;
    return steps;
  };
  const waiting = enclaveFailure({ code: 'awaiting_root_key', message: 'm', advice: 'a' });
  const [words] = await told(waiting);
  assert.match(String(words), /waits for its operators.*hours/);
  assert.doesNotMatch(String(words), /No answer/);
  assert.match(waiting.advice, /hours/);
  assert.deepEqual(await told(networkFailure(null)), ['No answer of the enclave came. The same request is sent again.']);
  const [unable] = await told(enclaveFailure({ code: 'unavailable', message: 'm', advice: 'a' }));
  assert.match(String(unable), /^The enclave cannot do it right now/);
});

test('a_check_that_passed_does_not_call_a_simulator_verified', () => {
  const report = { simulator: false, binding: { root_source: 'operators' } };
  const anchored = { release: { release: '1.2.3', epoch: 3, signers: 2 }, anchor: { release_keys: ['a', 'b', 'c'] }, history: 'first' };
  /** @param {any} change */
  const words = (change) => checkedWords(standing(/** @type {any} */ ({ current: { report, anchored, ...change }, failure: null, pending: null, away: null })));
  assert.equal(words({}), 'The evidence holds: Verified release 1.2.3.');
  for (const change of [{ report: { ...report, simulator: true } }, { report: { ...report, binding: { root_source: 'development' } } }]) {
    assert.match(words(change), /protects nothing/);
    assert.doesNotMatch(words(change), /holds|verified/i);
  }
  for (const simulator of [true, false]) {
    const waiting = words({ report: { simulator, binding: { root_source: null } } });
    assert.match(waiting, /waits for its operators/);
    assert.doesNotMatch(waiting, /holds|verified/i);
  }
  assert.match(words({ anchored: null, own: true }), /policy that you pasted/);
});
