// Which addresses a page takes for its own: those of its anchor, whatever its host writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { belongs, continues, isNode } from '../../../web/origin.js';

/** @param {unknown} anchor */
const file = (anchor) => new TextEncoder().encode(typeof anchor === 'string' ? anchor : JSON.stringify(anchor));
const released = file({ version: 1, rp_id: 'openkey.example' });
const simulated = file({ version: 1, rp_id: 'localhost', simulator: { roots: [] } });

test('the_relying_party_and_what_is_below_it_by_https', () => {
  for (const origin of ['https://openkey.example', 'https://login.openkey.example', 'https://openkey.example:8443']) assert.ok(belongs(origin, released), origin);
});

test('e15_nothing_else_is_the_page_s_address', () => {
  for (const origin of [
    'https://openkey-login.example', 'https://evilopenkey.example', 'https://openkey.example.evil.example', 'http://openkey.example', 'http://localhost:21000', 'https://127.0.0.1',
    'https://openkey.example/path', 'https://openkey.example/', 'https://user@openkey.example', 'https://OPENKEY.example', 'https://openkey.example.', 'javascript:alert(1)', '', 'null',
  ]) assert.ok(!belongs(origin, released), origin);
});

test('a_simulator_s_anchor_also_allows_loopback', () => {
  for (const origin of ['http://localhost:21000', 'http://a.localhost', 'http://127.0.0.1:8080', 'http://[::1]:80']) assert.equal(belongs(origin, simulated), new URL(origin).origin === origin, origin);
  for (const origin of ['http://localhost.evil.example', 'http://127.0.0.1.evil.example', 'http://evillocalhost', 'https://evil.example', 'http://10.0.0.1']) assert.ok(!belongs(origin, simulated), origin);
  for (const simulator of [null, true, undefined]) assert.ok(!belongs('http://localhost:21000', file({ version: 1, rp_id: 'localhost', simulator })));
});

test('without_an_anchor_that_can_be_read_there_is_no_address', () => {
  for (const anchor of [null, file('not json'), file('null'), file('[]'), file({}), file({ rp_id: '' }), file({ rp_id: 7 })]) assert.ok(!belongs('https://openkey.example', anchor));
});

test('e15_no_anchor_of_another_relying_party_continues_what_a_browser_remembers', () => {
  const known = (/** @type {any} */ more) => JSON.stringify({ version: 1, root_id: null, rp_id: 'openkey.example', release_keys: {}, epoch: 1, simulator: false, ...more });
  assert.ok(continues(released, known({})));
  assert.ok(continues(simulated, known({ rp_id: 'localhost', simulator: true })));
  assert.ok(!continues(file({ rp_id: 'evil.example' }), known({})));
  assert.ok(!continues(released, known({ simulator: true })));
  assert.ok(!continues(simulated, known({ rp_id: 'localhost' })));
  for (const damaged of ['', '{', 'null', '{}']) assert.ok(!continues(released, damaged), damaged);
  assert.ok(!continues(null, known({})));
});

test('e16_a_node_has_an_https_origin_or_is_on_this_machine', () => {
  for (const node of ['https://node.example', 'https://node.example:8443', 'https://[2001:db8::1]', 'http://localhost:21002', 'http://127.0.0.1:8000', 'http://[::1]:8000', `https://${'a'.repeat(60)}.example`]) assert.ok(isNode(node), node);
  for (const node of [
    'https://node.example/', 'https://node.example/path', 'https://node.example?x', 'https://node.example#x', 'https://user@node.example', 'https://node.example:443', 'https://NODE.example', ' https://node.example', 'https://node.example words',
    'http://node.example', 'http://localhost.evil.example', 'http://a.localhost', 'http://10.0.0.1', 'javascript:alert(1)', 'data:text/plain,x', 'blob:https://node.example/x', 'null', '', 'node.example', `https://${'a.'.repeat(140)}example`,
    null, undefined, 7, {}, ['https://node.example'], true,
  ]) assert.ok(!isNode(node), String(node));
});
