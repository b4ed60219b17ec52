// The history says what each decision was about, by itself.

import assert from 'node:assert/strict';
import { scenario } from '../lib/person.js';
import { PERMIT } from '../lib/samples.js';
import { shared } from '../lib/system.js';

const system = shared();

scenario('the_history_says_which_key_passkey_text_and_spender', async () => {
  const { person, page, address } = await system.registered();
  const newest = page.locator('[data-sequence]').first();
  const fact = (/** @type {string} */ label) => newest.locator('dt', { hasText: new RegExp(`^${label}$`) }).locator('xpath=following-sibling::dd[1]').first().innerText();
  await person.view('History');
  await newest.getByText('Account confirmed').waitFor();
  assert.equal(await fact('Key'), address);
  const long = `Dear Bob, ${'let us meet at the gate. '.repeat(40)}`;
  await person.view('Sign');
  await person.sign('Text', long);
  await person.view('Passkeys');
  const passkey = await page.locator('[data-passkey] h2').innerText();
  const fingerprint = await page.locator('[data-passkey] .mono').innerText();

  await person.view('History');
  await newest.waitFor();
  assert.ok((await fact('Key')).endsWith(address), await fact('Key'));
  assert.equal(await fact('Approved with'), `${passkey} · ${fingerprint}`);
  const beginning = await newest.getByRole('region', { name: 'Beginning of the text' }).innerText();
  assert.ok(beginning.startsWith('Dear Bob, let us') && beginning.endsWith('…') && beginning.length < 300, beginning);

  // Renamed since then: the entry says what was.
  await person.view('Keys');
  const before = await page.locator('[data-key] h2').innerText();
  await page.getByRole('button', { name: /^Rename / }).click();
  await page.getByLabel('Name of the key').fill('Holidays');
  await person.button('Continue').click();
  await person.approved();
  await person.view('History');
  await newest.getByText('Key renamed').waitFor();
  assert.equal(await fact('Key'), `${before} · ${address}`);
  assert.equal(await fact('New name'), 'Holidays');

  // Domain, spender and amount.
  await person.view('Sign');
  const permit = { ...PERMIT, message: { ...PERMIT.message, owner: address } };
  await person.ask('Typed data', JSON.stringify(permit));
  await person.prompt();
  await person.dialog().getByRole('checkbox').check();
  await person.approved();
  await person.view('History');
  await newest.getByText('Typed data signed').waitFor();
  assert.equal(await fact('Key'), `Holidays · ${address}`);
  assert.match(await fact('Who asks'), /Test Dollar/);
  assert.match(await fact('Who may spend'), /0x3{40}/);
  assert.match(await fact('How much'), /UNLIMITED|all/i);
  assert.match(await fact('Token contract'), /0x1{40}/);

  await person.view('Sign');
  await page.getByRole('radio', { name: 'Sign-in message' }).check();
  await page.getByText('Compose one').click();
  await page.getByLabel('Statement').fill('Read my letters.');
  await person.button('Put it in the field').click();
  await person.button('Show what would be signed').click();
  await person.prompt();
  await person.dialog().getByRole('checkbox').check();
  await person.approved();
  await person.view('History');
  await newest.getByText('Sign-in message signed').waitFor();
  assert.match(await fact('They say'), /Read my letters/);
  assert.match(await fact('Sign in to'), /localhost/);

  await person.leave();
});
