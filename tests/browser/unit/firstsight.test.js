// What a browser that never saw an account says of it: the newest decision, and not its own sign-in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { before } from '../../../web/views/firstsight.js';

const entry = (/** @type {number} */ byte) => /** @type {any} */ ({ digest: new Uint8Array([byte]), title: `decision ${byte}`, at: byte });

test('e2_the_newest_decision_is_the_one_before_the_sign_in_that_showed_it', () => {
  const entries = [entry(3), entry(2), entry(1)];
  assert.deepEqual(before(entries, '03'), { newest: { title: 'decision 2', at: 2 }, before: true });
  // Something was decided since.
  assert.deepEqual(before(entries, '02'), { newest: { title: 'decision 1', at: 1 }, before: true });
  assert.deepEqual(before(entries.slice(0, 1), '03'), { newest: null, before: true });
  assert.deepEqual(before(entries, 'ff'), { newest: { title: 'decision 3', at: 3 }, before: false });
  assert.deepEqual(before([], null), { newest: null, before: false });
});
