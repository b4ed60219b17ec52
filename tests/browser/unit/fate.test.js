// What a refusal proves about an approval that has left the page: in doubt nothing.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { enclaveFailure, Failure, hostFailure, networkFailure, pageFailure, unsignedRefusal } from '../../../web/errors.js';
import { FATES, fateOf } from '../../../web/fate.js';
import { FINAL_AFTER, Unsettled } from '../../../web/unsettled.js';
import { mayCountWords, maySignInWords, unknown } from '../../../web/views/unsettled.js';

/** An answer of an authenticator with this counter and these flags. */
const assertion = (counter = 0, flags = 0x05) => {
  const authenticator_data = new Uint8Array(37);
  authenticator_data[32] = flags;
  new DataView(authenticator_data.buffer).setUint32(33, counter);
  return { credential_id: new Uint8Array(16), authenticator_data, client_data_json: new Uint8Array(), signature: new Uint8Array(), user_handle: null };
};
const refused = (/** @type {string} */ code) => enclaveFailure({ code, message: 'm', advice: 'a' });

test('every_code_of_the_protocol_has_a_fate', async () => {
  const rust = await readFile(new URL('../../../protocol/src/message/error.rs', import.meta.url), 'utf8');
  const body = rust.slice(rust.indexOf('pub enum ErrorCode'));
  const codes = [...body.matchAll(/^ {4}([A-Z][A-Za-z]+),$/gm)].map((m) => String(m[1]).replace(/(?<!^)([A-Z])/g, '_$1').toLowerCase());
  assert.ok(codes.length > 25, `only ${codes.length} codes found`);
  assert.deepEqual(Object.keys(FATES).sort(), codes.sort());
});

test('only_a_refusal_of_the_very_answer_settles_it', () => {
  const settled = Object.keys(FATES).filter((code) => fateOf(refused(code), assertion(), 'sign_text') !== 'open');
  assert.deepEqual(settled, ['possession_refused']);
  assert.equal(fateOf(refused('possession_refused'), assertion(7), 'sign_text'), 'never');
});

test('e16_an_answer_that_one_record_refuses_may_hold_over_another', () => {
  // A counter that went back, also to none; a flag of backup that changed.
  for (const answer of [assertion(7), assertion(256), assertion(0), assertion(0, 0x1d)]) assert.equal(fateOf(refused('assertion_refused'), answer, 'sign_text'), 'open');
  // Without a touch, or without a person who was verified, no enclave takes it.
  for (const flags of [0x00, 0x01, 0x04, 0x19]) assert.equal(fateOf(refused('assertion_refused'), assertion(0, flags), 'sign_text'), 'never');
  // Nor does any take one that ends before its flags.
  for (const length of [0, 32]) {
    const short = { ...assertion(), authenticator_data: new Uint8Array(length) };
    assert.equal(fateOf(refused('assertion_refused'), short, 'sign_text'), 'never', `${length} bytes`);
  }
  // A refusal for another reason says nothing about the flags.
  for (const code of Object.keys(FATES).filter((it) => !['assertion_refused', 'possession_refused'].includes(it))) assert.equal(fateOf(refused(code), assertion(0, 0x00), 'sign_text'), 'open', code);
});

test('a_refusal_of_the_passkey_ends_a_sign_in_and_nothing_else_does', () => {
  const ended = Object.keys(FATES).filter((code) => fateOf(refused(code), assertion(7), 'sign_in') === 'never');
  assert.deepEqual(ended.sort(), ['assertion_refused', 'possession_refused', 'unknown_account', 'unknown_passkey']);
  // Of a signature, or of anything that changes the account, another copy of the records may judge otherwise.
  for (const kind of /** @type {const} */ (['confirm', 'sign_text', 'sign_siwe', 'sign_typed_data', 'add_passkey', 'remove_passkey', 'create_key'])) {
    for (const code of ['assertion_refused', 'unknown_account', 'unknown_passkey']) assert.equal(fateOf(refused(code), assertion(7), kind), 'open', `${kind} ${code}`);
  }
  // Nor does it end by the word of the host.
  for (const failure of [unsignedRefusal({ code: 'assertion_refused', message: 'm' }), hostFailure(403, { code: 'assertion_refused' })]) assert.equal(fateOf(failure, assertion(), 'sign_in'), 'open');
});

test('a_sign_in_of_which_nobody_knows_says_where_it_would_show', () => {
  const until = Date.UTC(2026, 0, 1, 12, 0, 1);
  for (const now of [until - 1, until]) {
    const [title, words] = maySignInWords(until, now);
    assert.equal(title, 'It is not known whether this sign-in was accepted');
    assert.match(words, /This browser is not signed in.*Once you are signed in, the history lists.*cannot sign/);
    assert.equal(/ after \d\d:\d\d/.test(words), now < until);
    assert.match(unknown({ title: 'T', until, signIn: true }, now), /“T” may have been accepted\. This browser is not signed in\. Once you are, the history/);
  }
  assert.doesNotMatch(unknown({ title: 'T', until, signIn: true }, until - 1), /before you repeat it/);
});

test('what_no_enclave_signed_settles_nothing_whatever_its_code_is', () => {
  for (const code of ['context_used', 'assertion_refused', 'possession_refused']) {
    const said = { code, message: 'Nothing was approved.' };
    for (const failure of [hostFailure(403, said), unsignedRefusal(said), networkFailure(null), pageFailure(code, 'm'), new Failure('evidence', code, { title: 't', message: 'm', advice: 'a' })]) {
      assert.equal(fateOf(failure, assertion(), 'sign_text'), 'open', failure.party);
    }
  }
  for (const code of ['some_new_rule', 'constructor', '__proto__']) assert.equal(fateOf(refused(code), assertion(), 'sign_text'), 'open', code);
});

test('a_host_s_code_is_a_name_and_no_sentence', () => {
  assert.equal(hostFailure(403, { code: 'wrong_origin' }).code, 'wrong_origin');
  for (const code of ['Nothing was approved.', '', 'a'.repeat(41), 7]) assert.equal(hostFailure(403, { code }).code, 'status_403');
});

const area = () => {
  const map = new Map();
  return { map, getItem: (/** @type {string} */ k) => map.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => void map.set(k, v), removeItem: (/** @type {string} */ k) => void map.delete(k) };
};

test('what_was_sent_is_kept_until_it_is_settled_or_has_ended', () => {
  const tab = area();
  const later = Date.now() + 60_000;
  const sent = new Unsettled(tab);
  sent.add({ id: 'a', account: 'x', title: 'A', until: later });
  sent.add({ id: 'b', account: 'x', title: 'B', until: later });
  // Another page of the same tab.
  const again = new Unsettled(tab);
  assert.deepEqual(again.untold('x').map(({ id }) => id), ['a', 'b']);
  again.told('a');
  again.told('b');
  assert.deepEqual(again.untold('x'), []);
  assert.deepEqual(again.live('x').map(({ id }) => id), ['a', 'b']);
  assert.deepEqual(again.live('x', later), []);
  again.settle('a');
  assert.deepEqual(new Unsettled(tab).live('x').map(({ id }) => id), ['b']);
  again.settle('b');
  assert.equal(tab.map.size, 0);
  // One that nobody was told of is not forgotten by time alone.
  sent.settle('b');
  sent.add({ id: 'a', account: 'x', title: 'A', until: Date.now() - 1 });
  assert.deepEqual(new Unsettled(tab).untold('x').map(({ id }) => id), ['a']);
});

test('e16_what_was_sent_is_for_its_own_account_and_goes_when_its_person_signs_out', () => {
  const tab = area();
  const until = Date.now() + 60_000;
  const sent = new Unsettled(tab);
  for (const [id, account] of [['a', 'ada'], ['b', 'bob'], ['s', null]]) sent.add({ id: String(id), account: account ?? null, title: 'T', until });
  const of = (/** @type {string | null} */ account) => [sent.live(account), sent.untold(account)].map((all) => all.map(({ id }) => id).join());
  assert.deepEqual([of('ada'), of('bob'), of(null), of('eve')], [['a', 'a'], ['b', 'b'], ['s', 's'], ['', '']]);
  sent.forget('ada');
  assert.deepEqual([of('ada'), of('bob'), of(null)], [['', ''], ['b', 'b'], ['', '']]);
  assert.doesNotMatch(String(tab.map.get('openkey.sent')), /ada/);
  sent.forget('bob');
  assert.equal(tab.map.size, 0);
});

test('words_name_the_minute_after_which_the_history_tells', () => {
  const until = Date.UTC(2026, 0, 1, 12, 0, 1);
  const at = new Date(Date.UTC(2026, 0, 1, 12, 1)).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  assert.match(unknown({ title: 'T', until }, until - 1), new RegExp(`“T” may have been approved. Look at the history after ${at} before`));
  assert.doesNotMatch(unknown({ title: 'T', until }, until), /after/);
  const [title, words] = mayCountWords(until, until - 1);
  assert.ok(title.endsWith(`after ${at}`), title);
  assert.match(words, new RegExp(`does not show before ${at} may still appear.*both may count`));
  assert.doesNotMatch(mayCountWords(until, until).join(' '), /may still appear|both may count/);
  // Before and after: what a look is worth, and what it is not.
  for (const now of [until - 1, until]) assert.match(mayCountWords(until, now)[1], /does not show then is refused.*signature that no history shows/);
});

test('e2_a_look_is_final_when_the_enclave_says_so', async () => {
  const constant = async (/** @type {string} */ file, /** @type {string} */ name) => {
    const rust = await readFile(new URL(`../../../${file}`, import.meta.url), 'utf8');
    const [, value] = rust.match(new RegExp(`^pub const ${name}: u64 = ([0-9_]+);$`, 'm')) ?? [];
    assert.ok(value, `${file} has no ${name}`);
    return Number(value.replaceAll('_', ''));
  };
  const tolerance = await constant('enclave/src/service/history.rs', 'TOLERANCE');
  const clocks = await constant('verifier/src/answer.rs', 'MAX_SKEW_MS');
  const life = await constant('enclave/src/service/mod.rs', 'PROMPT_LIFE');
  assert.equal(FINAL_AFTER, tolerance + clocks);
  // The words that name a number.
  const minutes = ['no', 'one', 'two', 'three', 'four', 'five', 'six'];
  const said = `in ${minutes[(life + FINAL_AFTER) / 60_000]} minutes`;
  assert.ok(refused('outcome_unknown').advice.includes(said), said);
  const rust = await readFile(new URL('../../../enclave/src/errors.rs', import.meta.url), 'utf8');
  assert.ok(rust.includes(`Look at the history ${said}, ${minutes[FINAL_AFTER / 60_000]} minutes after the end of the prompt.`));
});
