// What a host serves, or puts into a link, is never taken for the visitor's own word: not as a policy,
// not as the page's address, not as what stands in a form.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode, encode } from '../../../web/cbor.js';
import { audit } from '../lib/audit.js';
import { hostile } from '../lib/hostile.js';
import { scenario } from '../lib/person.js';
import { shared } from '../lib/system.js';

const system = shared();

scenario('e15_the_host_s_policy_never_stands_where_the_visitor_states_one', async () => {
  const person = await system.person();
  const { page } = person;
  const policy = JSON.parse(await readFile(system.simulator.ready.policy, 'utf8'));
  await hostile(page, { anchor: null, config: (config) => ({ ...config, policy }) });
  await person.open('verify');
  await person.failed('no_release');
  await page.getByRole('radio', { name: /My own/ }).check();
  const field = page.getByLabel('Policy file');
  assert.equal(await field.inputValue(), '');
  await page.getByText('is not put in here').waitFor();
  await audit(page, 'verify-host-policy');
  await person.button('Get evidence and check it').click();
  await person.failed('policy');
  await page.locator('[data-standing="unknown"]').waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem('openkey.policy')), null);

  // What the visitor did state is kept for them.
  await field.fill(JSON.stringify(policy));
  await person.button('Get evidence and check it').click();
  await page.getByRole('heading', { name: 'This enclave answered' }).waitFor();
  await page.reload();
  await page.getByRole('radio', { name: /My own/ }).check();
  assert.deepEqual(JSON.parse(await field.inputValue()), policy);
  await person.leave();
});

for (const [name, origin] of Object.entries({ 'another site': 'https://openkey-login.example', 'a site that ends like ours': 'https://evillocalhost', 'a path': 'http://localhost:1/login' })) {
  scenario(`e15_an_address_of_the_host_s_choice_is_refused_without_a_link: ${name}`, async () => {
    const person = await system.person();
    const { page } = person;
    await hostile(page, { config: (config) => ({ ...config, origin }) });
    await person.open();
    await page.getByRole('heading', { name: 'The host names an address that is not this page’s' }).waitFor();
    const main = page.getByRole('main');
    assert.equal(await main.getByRole('link').count(), 0);
    assert.ok(!(await main.innerText()).includes(new URL(origin).host));
    await audit(page, 'host-address');

    // Without an anchor nothing says where the page belongs.
    await hostile(page, { anchor: null, config: (config) => ({ ...config, origin }) });
    await page.reload();
    await page.getByRole('heading', { name: 'The host names an address that is not this page’s' }).waitFor();
    assert.equal(await main.getByRole('link').count(), 0);
    await person.leave();
  });
}

scenario('e15_a_changed_anchor_leads_nobody_who_remembers_the_deployment_elsewhere', async () => {
  const { person, page } = await system.registered();
  const anchor = JSON.parse(await readFile(join(system.simulator.dir, 'anchor.json'), 'utf8'));
  const { simulator, ...hardware } = anchor;
  for (const changed of [{ ...anchor, rp_id: 'openkey-login.example' }, { ...hardware, rp_id: 'openkey-login.example' }, hardware]) {
    const origin = `https://${changed.rp_id}`;
    await hostile(page, { anchor: changed, config: (config) => ({ ...config, origin }) });
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'This is another deployment than the one this browser remembers' }).waitFor();
    await person.failed('deployment_changed');
    const main = page.getByRole('main');
    assert.equal(await main.getByRole('link').count(), 0);
    assert.ok(!(await main.innerText()).includes(origin));
  }
  await audit(page, 'host-address-changed');
  await person.leave();
});

scenario('e15_a_link_fills_no_form', async () => {
  const { person, page } = await system.registered();
  await person.button('Create a key').click();
  await page.getByLabel('Name of the key').fill('Savings');
  await person.button('Continue').click();
  await person.approved();
  await page.locator('[data-key="1"]').waitFor();
  const key = page.getByLabel('Key', { exact: true });
  const chosen = async () => {
    await page.locator('select option').nth(1).waitFor({ state: 'attached' });
    return key.inputValue();
  };
  for (const link of ['sign?key=1', 'sign?key=1&payload=mine', 'sign?kind=siwe']) {
    await person.open('keys');
    await page.evaluate((hash) => { location.hash = `#/${hash}`; }, link);
    await page.getByRole('heading', { level: 1, name: 'Sign', exact: true }).waitFor();
    assert.equal(await chosen(), '0', link);
    assert.equal(await page.locator('#payload').inputValue(), '');
    assert.ok(await page.getByRole('radio', { name: 'Text' }).isChecked());
  }
  // The person's own choice on the page does.
  await person.view('Keys');
  await page.getByRole('link', { name: 'Sign with Savings' }).click();
  assert.equal(await chosen(), '1');
  assert.ok(!page.url().includes('?'), page.url());
  await person.leave();
});

scenario('signing_out_says_until_when_the_read_token_reads', async () => {
  const { person, page } = await system.registered();
  await page.locator('[data-key]').waitFor();
  /** @type {Uint8Array | null} what the host kept of a request on its way */
  let token = null;
  page.on('request', (request) => {
    const bytes = request.postDataBuffer();
    const asked = bytes && /** @type {any} */ (decode(new Uint8Array(bytes))).request;
    if (asked?.read) token = asked.read.token;
  });
  await person.view('Passkeys');
  await page.locator('[data-passkey]').waitFor();
  const ends = await page.evaluate(() => JSON.parse(String(sessionStorage.getItem('openkey.session'))).expiresAt);
  await person.button('Sign out').click();
  const words = page.locator('#status').filter({ hasText: 'You are signed out in this browser' });
  await words.waitFor();
  await audit(page, 'signed-out-words');
  const said = /ends at (\d\d:\d\d): until then, whoever saw it on its way, such as the host, can read your account/.exec(await words.innerText())?.[1];
  const minute = (/** @type {number} */ ms) => page.evaluate((at) => new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' }), ms);
  assert.equal(said, await minute(Math.ceil(ends / 60_000) * 60_000));
  assert.equal(await page.evaluate(() => sessionStorage.getItem('openkey.session')), null);

  // It does.
  const url = `${system.simulator.page}/api/v1/enclaves/${system.simulator.ready.enclaves[0]?.id}/request`;
  const call = encode({ nonce: new Uint8Array(32), request: { read: { token, head: null, query: 'account' } } });
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/cbor' }, body: call });
  const { answer } = /** @type {any} */ (decode(new Uint8Array(await response.arrayBuffer())));
  assert.ok(/** @type {any} */ (decode(answer.body)).result.ok?.account);
  await person.leave();
});
