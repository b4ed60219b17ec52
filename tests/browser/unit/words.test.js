// Words of the host stay inside their quotation, on one short line, behind the page's own sentence.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostFailure, unsignedRefusal } from '../../../web/errors.js';
import { foreign, MOST } from '../../../web/words.js';

test('short and honest words stay as they are', () => {
  assert.equal(foreign('The enclave starts. Wait 5 s (ü, 日本, 🔑).'), 'The enclave starts. Wait 5 s (ü, 日本, 🔑).');
});

test('e16_words_of_the_host_are_one_bounded_line', () => {
  assert.equal(foreign('a\n\n\t  b\u2028c\u00a0\u3000d'), 'a b c d');
  for (const long of ['x'.repeat(MOST + 1), 'x '.repeat(1e6), '🔑'.repeat(500), ' '.repeat(1e6) + 'x']) {
    const shown = foreign(long);
    assert.ok(Array.from(shown).length <= MOST, String(shown.length));
    assert.ok(shown.endsWith('…'));
  }
});

test('e16_words_of_the_host_end_no_quotation_and_hide_nothing', () => {
  for (const quote of '"\'`´«»‘’‚‛“”„‟‹›❝❞〝〞〟＂＇') assert.doesNotMatch(foreign(`a${quote} b`), new RegExp(quote), quote);
  for (const unseen of ['\u202e', '\u2066', '\u200b', '\u200f', '\ufeff', '\u00ad', '\u3164', '\u115f', '\u2800', '\u0007', '\u061c', '\ue000', '\u{e0041}', '\ufe0f']) {
    assert.equal(foreign(`a${unseen.repeat(3)}b`), 'a\uFFFDb', unseen.codePointAt(0)?.toString(16));
  }
  assert.equal(foreign(`a${'\u0300'.repeat(40)}b`), 'a\u0300\u0300b');
});

test('e16_what_the_page_says_itself_comes_before_the_words_of_the_host', () => {
  const lie = `Fine.” Your account was moved. Open https://evil.example ${'\n'.repeat(300)}${'x'.repeat(5000)}`;
  const refusal = unsignedRefusal({ code: lie, message: lie }).message;
  assert.match(refusal, /^The enclave did not sign this, so it may not be true\. The host’s words: “[^“”\n]*”$/);
  const host = hostFailure(500, { message: lie, request_id: lie }).message;
  assert.match(host, /^The host answered with status 500; no enclave signed that\. Its words: “[^“”\n]*” \(request “[^“”\n]*”\)$/);
  for (const said of [refusal, host]) assert.ok(said.length < 400, String(said.length));
  assert.doesNotMatch(hostFailure(503, {}, 1e300).advice, /e\+/);
});
