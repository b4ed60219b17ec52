// Who may vouch for what: only enclaves whose evidence passed in this visit, across restarts.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { encode } from '../../../web/cbor.js';
import { Failure, networkFailure } from '../../../web/errors.js';
import { standing } from '../../../web/standing.js';
import { Store } from '../../../web/store.js';
import { Verifier } from '../../../web/verifier.js';
import { fates } from '../../../web/views/evidence.js';
import { Visit } from '../../../web/visit.js';

const area = () => {
  const map = new Map();
  return { getItem: (/** @type {string} */ k) => map.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => void map.set(k, v), removeItem: (/** @type {string} */ k) => void map.delete(k) };
};
const rule = (/** @type {string} */ code) => new Failure('evidence', code, { title: 't', message: 'm', advice: 'a' });

/** An enclave whose boots have the given identities, one after the other. */
const setting = (/** @type {string[]} */ boots) => {
  const state = { boots, asked: 0, history: 'first', anchor: /** @type {Uint8Array<ArrayBuffer> | null} */ (new Uint8Array([1])), /** @type {string | null} */ rule: null, known: 'what to remember', epoch: 1, until: Infinity };
  /** @type {any} what the host gives for the next request */
  let next = null;
  const api = {
    evidence: async () => { state.asked += 1; return new Uint8Array([state.asked]); },
    send: async () => ({ call: new Uint8Array([1]), nonce: new Uint8Array(32), reply: next }),
    refused: () => {},
  };
  const verifier = {
    evidence: () => ({ binding: { identity: state.boots[0] } }),
    anchored: (/** @type {any} */ { known }) => {
      if (state.rule) throw rule(state.rule);
      return { evidence: { binding: { identity: state.boots[0] } }, release: { epoch: state.epoch, not_after_ms: state.until }, history: known === null ? 'first' : 'same', known: state.known };
    },
    answer: (/** @type {string} */ identity, /** @type {any} */ signed) => {
      if (signed.rule) throw rule(signed.rule);
      if (signed.by !== identity) throw rule('statement_signature');
      return { refused: signed.refused ?? null };
    },
  };
  const config = { version: 1, origin: 'http://localhost', enclave: 'e1', policy: null };
  const store = new Store(area(), area());
  const served = async () => ({ anchor: state.anchor, releases: null });
  const place = { hostname: 'localhost', origin: 'http://localhost' };
  const visit = new Visit(/** @type {any} */ (api), /** @type {any} */ (config), store, async () => /** @type {any} */ (verifier), served, place);
  /** @param {any} reply */
  const given = (reply) => {
    next = reply;
    return visit.ask({ sign_in: { origin: 'o' } }, 'prompted');
  };
  /** @param {any} signed */
  const check = (signed) => given({ answer: { ...signed, body: encode({ result: { ok: { prompted: {} } } }) } });
  return { state, visit, check, given, store };
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

/** Moves the clock while something runs. @param {import('node:test').TestContext} t */
const clock = (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  return (/** @type {number} */ minutes) => t.mock.timers.tick(minutes * 60_000);
};

test('e15_a_higher_epoch_that_is_learned_here_ends_what_was_accepted_under_a_lower_one', async () => {
  const { state, visit, check, store } = setting(['old']);
  store.keepDeployment('epoch 1');
  state.known = 'epoch 1';
  await visit.ensure();
  [state.boots, state.known] = [['new'], 'epoch 2'];
  await visit.verify();
  assert.deepEqual([...visit.identities.keys()], ['new']);
  // The enclave that was accepted first has to pass again, and does not.
  [state.boots, state.rule] = [['old'], 'epoch_too_old'];
  await assert.rejects(check({ by: 'old' }), { code: 'epoch_too_old' });
});

test('e15_a_higher_epoch_that_another_tab_learned_counts_for_the_next_answer', async () => {
  const { state, visit, check, store } = setting(['old']);
  store.keepDeployment('epoch 1');
  state.known = 'epoch 1';
  await visit.ensure();
  await check({ by: 'old' });
  store.local.setItem('openkey.deployment', 'epoch 2');
  state.rule = 'epoch_too_old';
  await assert.rejects(check({ by: 'old' }), { code: 'epoch_too_old' });
});

test('e15_what_the_first_sign_in_remembers_drops_every_other_enclave', async () => {
  const { state, visit } = setting(['a']);
  await visit.ensure();
  state.boots = ['b'];
  await visit.verify();
  assert.equal(visit.remember(), true);
  assert.deepEqual([...visit.identities.keys()], ['b']);
});

test('e15_the_first_sign_in_remembers_the_highest_epoch_that_was_seen_and_not_the_last', async (t) => {
  const later = clock(t);
  const { state, visit, store } = setting(['new']);
  const known = (/** @type {number} */ epoch, note = '') => JSON.stringify({ epoch, note });
  state.known = known(2);
  await visit.ensure();
  // Of equal epochs the newest counts.
  [state.boots, state.known] = [['newer'], known(2, 'newer')];
  await visit.verify();
  // An image of a higher epoch without the root key counts for nothing.
  [state.boots, state.epoch, state.known] = [['bare'], 3, known(1)];
  await visit.verify();
  [state.boots, state.epoch] = [['old'], 1];
  await visit.verify();
  // What was seen counts, though it vouches for nothing any more.
  later(11);
  await visit.ensure();
  assert.deepEqual([...visit.identities.keys()], ['old']);
  assert.equal(visit.remember(), true);
  assert.equal(store.deployment(), known(2, 'newer'));
  assert.equal(visit.current, null, 'the lower epoch was not held to what is remembered');
});

test('e15_an_epoch_that_was_seen_under_other_conditions_counts', async () => {
  const { state, visit, store } = setting(['new']);
  state.known = '{"epoch":2}';
  await visit.ensure();
  visit.choose({ version: 1, measurements: [] });
  [state.boots, state.known] = [['old'], '{"epoch":1}'];
  await visit.ensure();
  assert.equal(visit.remember(), true);
  assert.equal(store.deployment(), '{"epoch":2}');
});

test('an answer says whose key signed it', async () => {
  const { state, visit, check } = setting(['a']);
  await visit.ensure();
  state.boots = ['b'];
  assert.equal((await check({ by: 'b' })).evidence.report.binding.identity, 'b');
  assert.equal((await check({ by: 'a' })).evidence.report.binding.identity, 'a');
  assert.equal(visit.current?.report.binding.identity, 'b');
});

test('e15_evidence_is_asked_for_again_after_some_minutes_and_vouches_for_nothing_later', async (t) => {
  const later = clock(t);
  const { state, visit, check } = setting(['a']);
  await visit.ensure();
  later(4);
  await visit.ensure();
  assert.equal(state.asked, 1);
  later(2);
  assert.notEqual(visit.current, null, 'answers on their way still count');
  await visit.ensure();
  assert.equal(state.asked, 2);
  // A release that was withdrawn meanwhile.
  later(6);
  state.rule = 'no_release';
  await assert.rejects(visit.ensure(), { code: 'no_release' });
  assert.equal(visit.current, null);
  state.rule = null;
  await visit.ensure();
  later(11);
  assert.equal(visit.current, null);
  state.rule = 'no_release';
  await assert.rejects(check({ by: 'a' }), { code: 'no_release' });
});

test('e15_a_release_that_ends_while_the_page_is_open_ends_what_it_vouched_for', async (t) => {
  const later = clock(t);
  const { state, visit, check } = setting(['a']);
  state.until = Date.now() + 60_000;
  await visit.ensure();
  assert.equal(visit.until, state.until);
  await check({ by: 'a' });
  later(1);
  assert.equal(visit.current, null);
  state.rule = 'release_expired';
  await assert.rejects(check({ by: 'a' }), { code: 'release_expired' });
  await assert.rejects(visit.ensure(), { code: 'release_expired' });
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
});

test('e15_without_an_anchor_only_a_policy_of_the_visitor_s_own_is_anything_to_check_against', async () => {
  const { state, visit } = setting(['a']);
  state.anchor = null;
  visit.config.policy = { version: 1, measurements: [] };
  await assert.rejects(visit.ensure(), { code: 'no_release' });
  assert.equal(standing(visit).label, 'No release known');
  visit.choose({ version: 1, measurements: [] });
  await visit.ensure();
  assert.equal(visit.current?.anchored, null);
  assert.equal(visit.remember(), false);
});

test('e15_a_deployment_is_remembered_once_and_an_anchor_is_needed_from_then_on', async () => {
  const { state, visit, store } = setting(['a']);
  await visit.ensure();
  assert.equal(store.deployment(), null, 'a visit alone remembers nothing');
  assert.equal(visit.remember(), true);
  assert.equal(visit.remember(), false);
  assert.equal(store.deployment(), 'what to remember');
  assert.equal(visit.current?.anchored?.history, 'first');
  await visit.verify();
  assert.equal(visit.current?.anchored?.history, 'same');
  // A page without an anchor, in another visit of the same browser.
  const later = setting(['a']);
  later.store.keepDeployment('what to remember');
  later.state.anchor = null;
  later.visit.choose({ version: 1, measurements: [] });
  await assert.rejects(later.visit.ensure(), { code: 'anchor_missing' });
  assert.equal(state.asked, 2);
});

test('e15_a_browser_that_keeps_nothing_is_not_said_to_remember', async () => {
  const { visit, store } = setting(['a']);
  store.local = { getItem: () => null, removeItem: () => {}, setItem: () => { throw new Error('forbidden'); } };
  await visit.ensure();
  assert.equal(visit.remember(), false);
});

test('e15_what_another_tab_remembers_or_chooses_counts_here_at_once', async () => {
  const { visit, store } = setting(['a']);
  await visit.ensure();
  store.keepDeployment('of another tab');
  assert.equal(visit.current, null);
  await visit.ensure();
  store.keepPolicy({ version: 1, measurements: [] });
  assert.equal(visit.current, null);
});

test('e15_a_refusal_ends_what_was_accepted_before_and_a_lost_connection_does_not', async () => {
  const { state, visit, check } = setting(['a']);
  await visit.ensure();
  state.rule = 'deployment_changed';
  await assert.rejects(visit.verify(), { code: 'deployment_changed' });
  assert.equal(visit.current, null);
  assert.equal(standing(visit).label, 'Refused');
  await assert.rejects(check({ by: 'a' }), { code: 'deployment_changed' });
  state.rule = null;
  await visit.verify();
  visit.served = async () => Promise.reject(networkFailure(null));
  await assert.rejects(visit.verify(), { code: 'offline' });
  assert.notEqual(visit.current, null);
  assert.deepEqual([standing(visit).label, standing(visit).tone], ['Offline', 'warn']);
});

test('e15_words_and_colours_say_what_is_known', () => {
  const report = { simulator: false, binding: { root_source: 'operators' } };
  const anchored = { release: { release: '1.2.3', epoch: 3, signers: 2 }, anchor: { release_keys: ['a', 'b', 'c'] }, history: 'first' };
  /** @param {any} change */
  const said = (change) => {
    const { state, tone, label } = standing(/** @type {any} */ ({ current: { report, anchored, own: false }, failure: null, pending: null, away: null, ...change }));
    return [state, tone, label];
  };
  assert.deepEqual(said({}), ['verified', 'good', 'Verified release 1.2.3']);
  assert.deepEqual(said({ current: { report, anchored: { ...anchored, history: 'explained' } } }), ['verified', 'good', 'Verified release 1.2.3']);
  assert.deepEqual(said({ current: { report, anchored: { ...anchored, history: 'same' } } }), ['same', 'good', 'Same enclave as before']);
  // Everything else is another colour.
  for (const [change, label] of /** @type {[any, string][]} */ ([
    [{ current: null, pending: {} }, 'Checking'],
    [{ current: { report: { ...report, simulator: true }, anchored: { ...anchored, history: 'same' } } }, 'Simulator'],
    [{ current: { report: { ...report, binding: { root_source: 'development' } }, anchored } }, 'Simulator'],
    [{ current: { report: { ...report, binding: { root_source: null } }, anchored } }, 'Not ready'],
    [{ current: { report: { simulator: true, binding: { root_source: null } }, anchored } }, 'Not ready'],
    [{ current: { report, anchored: null, own: true } }, 'Your policy'],
    [{ away: networkFailure(null) }, 'Offline'],
    [{ failure: networkFailure(null) }, 'Offline'],
    [{ away: new Failure('enclave', 'awaiting_root_key', { title: 't', message: 'm', advice: 'a' }) }, 'Not ready'],
    [{ failure: rule('host_policy') }, 'Refused'],
    [{ failure: rule('measurement_mismatch') }, 'Refused'],
    [{ failure: rule('no_release') }, 'No release known'],
    [{ current: null, failure: rule('release_expired') }, 'No release known'],
  ])) {
    const [, tone, words] = said(change);
    assert.equal(words, label);
    assert.notEqual(tone, 'good', label);
  }
  // No word promises what a served page cannot keep.
  const { words } = standing(/** @type {any} */ ({ current: { report, anchored }, failure: null, pending: null, away: null }));
  assert.match(words, /Whoever serves the page can serve another one/);
});

test('e15_what_this_page_and_another_tab_remember_are_conditions_both', async () => {
  const { visit, store } = setting(['a']);
  store.keepDeployment('first');
  store.local.setItem('openkey.deployment', 'of another tab');
  /** @type {string[]} */
  const judged = [];
  visit.verifier = /** @type {any} */ ({
    anchored: (/** @type {any} */ { known }) => {
      judged.push(known);
      if (known === 'first') throw rule('deployment_changed');
      return { evidence: { binding: { identity: 'a' } }, release: { epoch: 1, not_after_ms: Infinity }, history: 'same', known };
    },
  });
  await assert.rejects(visit.ensure(), { code: 'deployment_changed' });
  assert.deepEqual(judged, ['first']);
  assert.deepEqual(store.deployments(), ['first', 'of another tab']);
});

test('e2_the_verifier_is_fetched_so_that_its_answer_cannot_empty_the_storage', async () => {
  const before = globalThis.fetch;
  /** @type {any[]} */
  const asked = [];
  globalThis.fetch = async (...args) => {
    asked.push(args[1]);
    return new Response(null, { status: 404 });
  };
  try {
    await assert.rejects(Verifier.load(), { code: 'verifier_missing' });
  } finally {
    globalThis.fetch = before;
  }
  assert.equal(asked[0]?.credentials, 'omit');
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
  const policy = /** @type {any} */ ({ version: 1, measurements: [{ 0: 'ab'.repeat(48), 16: 'cd'.repeat(48) }], max_age_seconds: 300, max_skew_seconds: 60 });
  for (let i = 0; i < 50; i += 1) {
    assert.equal(code(() => verifier.answer('11'.repeat(32), signed, asked)), 'statement_signature');
  }
  assert.equal(code(() => verifier.answer('00'.repeat(32), signed, asked)), 'identity_key');
  assert.equal(code(() => verifier.evidence({ document: new Uint8Array(0), nonce, now: 0, policy })), 'document_empty');
  assert.equal(code(() => verifier.evidence({ document: nonce, nonce, now: 0, policy: { ...policy, measurements: [] } })), 'policy_without_measurements');
  assert.equal(code(() => verifier.call({ op: 'nothing' })), 'input');
  assert.equal(code(() => verifier.call({ op: 'x'.repeat(5_000_000) })), 'input');
});

/** An enclave whose evidence names `pending`, behind a host that gives these statuses, the last one for good. */
const showing = (/** @type {string} */ pending, /** @type {any[]} */ ...replies) => {
  const { visit } = setting(['a']);
  const asked = /** @type {string[]} */ ([]);
  const successor = { release: '2.0.0', epoch: 2, manifest_sha256: 'ab', announced_at_ms: 1, allowed_from_ms: 2, consents: [], consents_needed: 1 };
  const call = new Uint8Array([7]);
  visit.api = /** @type {any} */ ({
    evidence: async () => { asked.push('evidence'); return new Uint8Array([1]); },
    send: async (/** @type {any} */ request) => {
      asked.push(request);
      return { call, reply: replies.length > 1 ? replies.shift() : replies[0] };
    },
    refused: () => {},
  });
  const opened = (/** @type {string} */ identity, /** @type {any} */ signed, /** @type {any} */ given) => {
    assert.deepEqual(given.call, call);
    if (signed.by !== identity) throw rule('statement_signature');
  };
  visit.load = async () =>
    /** @type {any} */ ({
      evidence: () => ({ binding: { identity: 'a', pending } }),
      anchored: () => ({ evidence: { binding: { identity: 'a', pending } }, release: { epoch: 1, not_after_ms: Infinity }, history: 'first', known: 'k' }),
      answer: (/** @type {string} */ identity, /** @type {any} */ signed, /** @type {any} */ given) => {
        opened(identity, signed, given);
        return { refused: signed.refused ?? null };
      },
      successors: (/** @type {string} */ identity, /** @type {any} */ signed, /** @type {any} */ given) => {
        opened(identity, signed, given);
        assert.equal(given.pending, pending);
        if (signed.differs) throw rule('successors_differ');
        return [successor];
      },
    });
  return { visit, asked, successor };
};
const named = '00'.repeat(32);
/** @param {unknown} [state] @param {any} [more] */
const status = (state = 'ready', more = {}) => ({ answer: { by: 'a', body: encode({ result: { ok: { status: { root: { state } } } } }), ...more } });
const good = status();
const differs = status('handed_over', { differs: true });
const stranger = { answer: { by: 'stranger' } };

test('e8_waiting_successors_are_those_that_the_evidence_names', async () => {
  const { visit, asked, successor } = showing(named, good);
  const { successors, handedOver } = await visit.ensure();
  assert.deepEqual([successors, handedOver], [[successor], false]);
  assert.deepEqual(asked, ['evidence', 'status']);
  for (const [pending, successors] of /** @type {[string, [] | null][]} */ ([['none', []], ['unknown', null]])) {
    const told = showing(pending, good);
    const { handedOver, ...more } = await told.visit.ensure();
    assert.deepEqual([more.successors, handedOver], [successors, false]);
    assert.deepEqual(told.asked, ['evidence']);
  }
});

test('e8_a_root_key_that_was_handed_over_is_said_to_be_elsewhere', async () => {
  const { visit, successor } = showing(named, status('handed_over'));
  const { successors, handedOver } = await visit.ensure();
  assert.deepEqual([successors, handedOver], [[successor], true]);
  // A state that carries something is none of these.
  assert.equal((await showing(named, status({ waiting: { have: 1, need: 2 } })).visit.ensure()).handedOver, false);
  const one = (/** @type {number[]} */ consents) => ({ ...successor, consents });
  const said = (/** @type {any[]} */ all, handed = true) => fates({ successors: all, handedOver: handed }).map(([, fate]) => fate);
  assert.deepEqual(said([one([0]), one([])], false), ['waits', 'waits']);
  assert.deepEqual(said([one([0]), one([])]), ['has', 'gets_none']);
  assert.deepEqual(said([one([0]), one([]), one([1])]), ['may_have', 'gets_none', 'may_have']);
  assert.deepEqual(fates({ successors: null, handedOver: false }), []);
});

test('e8_a_host_that_hides_a_waiting_successor_is_refused_after_a_second_look', async () => {
  for (const first of [differs, stranger]) {
    const changed = showing(named, first, good);
    assert.equal((await changed.visit.ensure()).successors?.length, 1);
    assert.deepEqual(changed.asked, ['evidence', 'status', 'evidence', 'status']);
  }
  const { visit } = showing(named, differs);
  await assert.rejects(visit.ensure(), { code: 'successors_differ' });
  assert.equal(visit.current, null);
});

test('e16_waiting_successors_come_from_a_status_that_the_vouched_boot_signed', async () => {
  const refused = { code: 'internal', message: 'm', advice: 'a' };
  for (const [reply, failure] of /** @type {[any, any][]} */ ([
    [stranger, { code: 'statement_signature' }],
    [{ bare: { refused } }, { party: 'host', code: 'unsigned_refusal' }],
    [{ answer: { by: 'a', refused } }, { party: 'enclave', code: 'internal' }],
  ])) {
    const { visit } = showing(named, reply);
    await assert.rejects(visit.ensure(), failure);
    assert.equal(visit.current, null);
  }
});
