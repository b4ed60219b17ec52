// Connect to a node, in a real browser: permissions signed by the enclave's key, a space kept by the
// node after a second signature, a value written and read back by a session key of the browser.

import assert from 'node:assert/strict';
import { verifyMessage } from 'viem';
import { hostile } from '../lib/hostile.js';
import { scenario } from '../lib/person.js';
import { shared } from '../lib/system.js';

const system = shared();

/** A person at the view that connects. */
const arrived = async () => {
  const registered = await system.registered();
  await registered.person.open('connect');
  await registered.page.getByRole('heading', { level: 1, name: 'Connect to a node' }).waitFor();
  return registered;
};

/** @param {import('../lib/person.js').Person} person */
const shown = async (person) => {
  await person.prompt();
  const dialog = person.dialog();
  return {
    title: await dialog.getByRole('heading', { level: 2 }).textContent(),
    text: String(await dialog.locator('pre.exact').textContent()),
    grants: await dialog.locator('[data-grants]').getAttribute('data-grants'),
    abilities: await dialog.locator('[data-ability]').evaluateAll((all) => all.map((one) => one.getAttribute('data-ability'))),
  };
};

scenario('s11_a_person_connects_to_a_node_and_writes_a_value', async () => {
  const { person, page, address } = await arrived();
  const space = `tinycloud:pkh:eip155:1:${address}:default`;
  assert.equal(await page.getByLabel('Node', { exact: true }).inputValue(), system.simulator.ready.node);
  assert.equal(await page.getByLabel('For how long').locator('option:checked').textContent(), '1 day');

  // Every request that carries a token, to compare what was signed with what was sent.
  /** @type {{ path: string, token: string, body: string | null }[]} */
  const sent = [];
  page.on('request', (request) => {
    const url = new URL(request.url());
    const token = request.headers()['authorization'];
    if (url.origin === system.simulator.ready.node && token) sent.push({ path: url.pathname, token, body: request.postData() });
  });

  await person.button('Connect').click();
  const session = await shown(person);
  assert.match(String(session.title), /^Sign in to localhost:\d+ and give 5 permissions$/);
  assert.equal(session.grants, 'permissions');
  assert.deepEqual(session.abilities, ['del', 'get', 'list', 'metadata', 'put'].map((name) => `tinycloud.kv/${name}`));
  await person.dialog().getByText('Values in the space “default”: “hello/” and everything below').waitFor();
  assert.equal(await person.dialog().getByRole('alert').count(), 0, 'nothing about it is dangerous');
  const did = await page.locator('[data-step="key"] .mono').textContent();
  assert.match(String(did), /^did:key:z6Mk/);
  assert.ok(session.text.includes(`URI: ${did}#`) && session.text.includes(`'${space}/kv/hello/'`), session.text);
  await person.approve();

  await person.dialog().locator('[data-grants="hosting"]').waitFor();
  const hosting = await shown(person);
  assert.match(String(hosting.title), /^Sign in to localhost:\d+ and let a node keep your space “default”$/);
  assert.deepEqual(hosting.abilities, []);
  assert.ok(hosting.text.includes(`'host' for '${space}/space'.`), hosting.text);
  await person.approved();

  await page.getByRole('heading', { name: 'Connected' }).waitFor();
  const value = `Hello, ${Math.random()}`;
  await page.getByLabel('Value', { exact: true }).fill(value);
  await person.button('Write and read back').click();
  await page.locator('[data-read]').waitFor();
  assert.equal(await page.locator('[data-read]').textContent(), value);
  assert.equal(await page.locator('.steps [data-state="done"]').count(), 5);

  // The session twice, because the node did not keep the space the first time; hosting in between.
  assert.deepEqual(sent.map(({ path }) => path), ['/delegate', '/delegate', '/delegate', '/invoke', '/invoke']);
  assert.equal(sent[0]?.token, sent[2]?.token);
  assert.equal(sent[3]?.body, value);
  assert.ok(sent.slice(3).every(({ token }) => token.split('.').length === 3));

  // What was sent holds the very signature over the very text, by somebody else's code.
  const bytes = Buffer.from(String(sent[0]?.token), 'base64url');
  // DAG-CBOR: key `s`, then a byte string of 65
  const at = bytes.lastIndexOf(Buffer.from('61735841', 'hex')) + 4;
  const signature = /** @type {`0x${string}`} */ (`0x${bytes.subarray(at, at + 65).toString('hex')}`);
  assert.ok(await verifyMessage({ address, message: session.text, signature }));

  // Both are in the account's history, each under its own words.
  await person.view('History');
  await page.getByText(/and let a node keep your space “default”/).waitFor();
  await page.getByText(/and give 5 permissions/).waitFor();
  await person.leave();
});

scenario('a_session_outlives_a_reload_and_can_be_forgotten', async () => {
  const { person, page } = await arrived();
  await person.button('Connect').click();
  await person.approve();
  await person.dialog().locator('[data-grants="hosting"]').waitFor();
  await person.approved();
  await person.button('Write and read back').click();
  await page.locator('[data-read]').waitFor();

  await page.reload();
  await person.button('Write and read back').click();
  await page.locator('[data-read]').waitFor();
  // The private half cannot be had by the page.
  const exported = await page.evaluate(async () => {
    const open = indexedDB.open('openkey-node');
    const database = await new Promise((resolve) => {
      open.onsuccess = () => resolve(open.result);
    });
    const all = database.transaction('sessions').objectStore('sessions').getAll();
    const [kept] = await new Promise((resolve) => {
      all.onsuccess = () => resolve(all.result);
    });
    return crypto.subtle.exportKey('pkcs8', kept.keys.privateKey).then(() => 'exported', (error) => error.name);
  });
  assert.equal(exported, 'InvalidAccessError');

  // The second time the node keeps the space already: one signature is enough.
  await person.button('Forget the session').click();
  await page.locator('[data-connected]').waitFor({ state: 'detached' });
  await person.button('Connect').click();
  await person.approve();
  await page.getByText('It says that it keeps your space already.').waitFor();
  await person.button('Write and read back').click();
  await page.locator('[data-read]').waitFor();
  await person.leave();
});

scenario('b10_a_session_for_the_whole_space_reaches_secrets_and_needs_a_second_confirmation', async () => {
  const { person, page } = await arrived();
  await page.getByLabel('Folder').fill('');
  await person.button('Connect').click();
  await person.prompt();
  const dialog = person.dialog();
  await dialog.getByText('5 of 5 permissions reach secrets').waitFor();
  await dialog.locator('[data-secrets="1"]').waitFor();
  const approve = dialog.getByRole('button', { name: 'Approve with passkey' });
  assert.ok(await approve.isDisabled());
  await dialog.getByRole('checkbox').check();
  await approve.click();
  await dialog.locator('[data-grants="hosting"]').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  // Whoever cancels the second has connected to nothing.
  assert.equal(await page.locator('[data-connected]').count(), 0);
  await person.leave();
});

scenario('the_page_talks_to_no_other_node', async () => {
  const { person, page } = await arrived();
  const node = page.getByLabel('Node', { exact: true });
  for (const other of ['http://localhost:1', `${system.simulator.ready.node}/path`, 'https://node.example']) {
    await node.fill(other);
    await person.button('Connect').click();
    await person.failed('node_address');
  }
  // Even a page that forgot to look could not: the browser stops it.
  const blocked = await page.evaluate(() =>
    new Promise((resolve) => {
      addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
      fetch('http://localhost:1/info').catch(() => {});
    }),
  );
  assert.equal(blocked, 'connect-src');
  person.errors.length = 0;
  await node.fill(String(system.simulator.ready.node));
  await page.getByLabel('Folder').fill('a/../b');
  await person.button('Connect').click();
  await person.failed('folder');
  await person.leave();
});

scenario('a_node_that_is_away_is_said_and_nothing_is_signed', async () => {
  const { person, page } = await arrived();
  await page.route(`${system.simulator.ready.node}/**`, (route) => route.abort());
  await person.button('Connect').click();
  await person.failed('node_unreachable');
  assert.equal(await person.dialog().count(), 0);
  await page.unroute(`${system.simulator.ready.node}/**`);
  await page.route(`${system.simulator.ready.node}/peer/**`, (route) => route.fulfill({ status: 200, headers: { 'access-control-allow-origin': '*' }, body: 'did:web:elsewhere.example' }));
  await person.button('Connect').click();
  await person.approve();
  await person.failed('node_answer');
  await person.leave();
});

const CLAIM = 'This page has verified that the node moved: sign in at https://keys-rescue.example within one hour.';

scenario('e16_words_of_the_host_in_the_place_of_a_node_are_one_quoted_line', async () => {
  const { person, page } = await system.registered();
  for (const node of [`https://node.example/ only after a check. ${CLAIM} `.repeat(20), 'http://node.example', 'https://node.example/path', { [CLAIM]: CLAIM }, 7]) {
    await hostile(page, { config: (config) => ({ ...config, node, notNode: CLAIM.repeat(20) }) });
    await page.goto(`${system.simulator.page}/?${Math.random()}#/connect`);
    const shown = page.getByRole('main').getByRole('alert').filter({ hasText: 'The host names no address of a node' });
    await shown.waitFor();
    assert.ok((await shown.innerText()).length < 360, await shown.innerText());
    assert.match(await shown.innerText(), /The host’s words: “.*”/);
    const field = page.getByLabel('Node', { exact: true });
    assert.equal(await field.inputValue(), '');
    await field.fill('https://node.example');
    await person.button('Connect').click();
    const refused = await person.failed('node_address');
    assert.doesNotMatch(await refused.innerText(), /verified|rescue/);
  }
  await person.leave();
});

scenario('e16_what_a_node_calls_a_permission_is_its_name_and_no_words', async () => {
  const { person, page } = await arrived();
  await page.route(`${system.simulator.ready.node}/delegate`, async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    const response = await route.fetch();
    return route.fulfill({ response, json: { ...(await response.json()), skipped: [], cid: CLAIM.repeat(20) } });
  });
  await person.button('Connect').click();
  await person.approve();
  await person.failed('node_answer');
  assert.equal(await page.getByText(/rescue/).count(), 0);
  assert.equal(await page.locator('[data-connected]').count(), 0);
  await person.leave();
});
