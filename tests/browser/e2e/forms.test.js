// What is typed and what is shown while a person moves about: drafts, results, messages, failures.

import assert from 'node:assert/strict';
import { scenario } from '../lib/person.js';
import { shared } from '../lib/system.js';

const system = shared();

/** @import { Person } from '../lib/person.js' */

/** @param {Person} person @param {'Text' | 'Sign-in message' | 'Typed data'} kind */
async function typed(person, kind) {
  await person.page.getByRole('radio', { name: kind }).check();
  return person.page.locator('#payload').inputValue();
}

/** @param {Person} person */
async function node({ page }) {
  await page.getByRole('navigation').getByRole('link', { name: 'Node', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Connect to a node' }).waitFor();
}

scenario('texts_survive_moving_between_views_in_memory_only_and_go_at_sign_out', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  await page.locator('#payload').fill('half a sentence');
  await page.getByRole('radio', { name: 'Typed data' }).check();
  await page.locator('#payload').fill('{"half": ');
  await page.getByRole('radio', { name: 'Sign-in message' }).check();
  await page.getByText('Compose one').click();
  await page.getByLabel('Statement').fill('a statement of mine');
  await page.locator('#payload').fill('example.org wants');
  await node(person);
  await page.getByLabel('Folder').fill('letters/');

  await person.view('Keys');
  await person.view('Sign');
  assert.ok(await page.getByRole('radio', { name: 'Sign-in message' }).isChecked());
  assert.equal(await page.locator('#payload').inputValue(), 'example.org wants');
  await page.getByText('Compose one').click();
  assert.equal(await page.getByLabel('Statement').inputValue(), 'a statement of mine');
  assert.equal(await typed(person, 'Text'), 'half a sentence');
  assert.equal(await typed(person, 'Typed data'), '{"half": ');
  await node(person);
  assert.equal(await page.getByLabel('Folder').inputValue(), 'letters/');

  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  for (const text of ['half a sentence', 'half', 'statement of mine', 'example.org', 'letters']) assert.ok(!stored.includes(text), text);

  await person.button('Sign out').click();
  await person.button('Sign in').first().click();
  await person.approved();
  await person.view('Sign');
  for (const kind of /** @type {const} */ (['Text', 'Typed data', 'Sign-in message'])) assert.equal(await typed(person, kind), '', kind);
  await person.leave();
});

scenario('an_old_signature_goes_when_its_input_changes', async () => {
  const { person, page } = await system.registered();
  await person.button('Create a key').click();
  await page.getByLabel('Name of the key').fill('Second');
  await person.button('Continue').click();
  await person.approved();
  await person.view('Sign');
  const signed = page.locator('[data-signed]');
  const changes = [
    () => page.locator('#payload').pressSequentially('!'),
    () => page.getByLabel('Key', { exact: true }).selectOption('1'),
    () => page.getByRole('radio', { name: 'Typed data' }).check(),
  ];
  for (const change of changes) {
    await person.sign('Text', 'as it was');
    assert.equal(await signed.count(), 1);
    await change();
    await signed.waitFor({ state: 'detached' });
  }
  await page.getByRole('radio', { name: 'Typed data' }).check();
  await person.button('Put in a sample').click();
  await person.button('Show what would be signed').click();
  await person.approved();
  await signed.waitFor();
  await person.button('Put in a sample').click();
  await signed.waitFor({ state: 'detached' });
  await person.leave();
});

scenario('a_message_ends_with_the_next_view_and_with_a_failure_and_nothing_looks_busy_then', async () => {
  const { person, page } = await system.registered();
  const toast = page.locator('#status');
  const rename = async (/** @type {string} */ name) => {
    await page.getByRole('button', { name: /^Rename / }).click();
    await page.getByLabel('Name of the key').fill(name);
    await person.button('Continue').click();
    await person.approved();
    await toast.filter({ hasText: 'The key was renamed.' }).waitFor();
  };
  await rename('One');
  await person.view('Passkeys');
  assert.equal(await toast.textContent(), '');

  await person.view('Keys');
  await rename('Two');
  // The same name again: the enclave refuses.
  await page.getByRole('button', { name: /^Rename / }).click();
  await page.getByLabel('Name of the key').fill('Two');
  await person.button('Continue').click();
  await person.failed('nothing_to_do');
  assert.equal(await toast.textContent(), '');
  assert.equal(await page.locator('[aria-busy="true"]').count(), 0);
  assert.equal(await person.dialog().getByText('Asking the enclave').count(), 0);
  await person.dialog().getByRole('button', { name: 'Close' }).click();

  // Nobody answers: every view says so, and none looks as if it were still at it.
  await page.route('**/api/**', (route) => route.abort('connectionrefused'));
  for (const view of ['Passkeys', 'Keys', 'Sign', 'History']) {
    await person.view(view);
    await page.getByRole('alert').first().waitFor();
    assert.equal(await page.getByText('Reading …').filter({ visible: true }).count(), 0, view);
    assert.equal(await page.locator('[aria-busy="true"]').count(), 0, view);
  }
  await page.unroute('**/api/**');
  await person.leave();
});

scenario('a_failed_sign_up_leaves_no_step_under_way', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open('create');
  await page.getByLabel('Name of the account').fill('Grace');
  await person.cdp.send('WebAuthn.setUserVerified', { authenticatorId: person.first, isUserVerified: false });
  await person.button('Make a passkey').click();
  await person.failed('NotAllowedError');
  assert.deepEqual(await page.locator('main').getByRole('status').allTextContents(), ['']);
  assert.equal(await page.locator('[aria-busy="true"]').count(), 0);
  // Once the passkey was made, too.
  await person.cdp.send('WebAuthn.setUserVerified', { authenticatorId: person.first, isUserVerified: true });
  await page.route('**/api/v1/enclaves/*/sign-up', (route) =>
    route.request().postDataBuffer()?.includes('sign_up_finish') ? route.fulfill({ status: 403, json: { code: 'wrong_origin', message: 'The host refuses.', advice: 'Go away.' } }) : route.continue(),
  );
  await person.button('Make a passkey').click();
  await person.failed('wrong_origin');
  assert.deepEqual(await page.locator('main').getByRole('status').allTextContents(), ['']);
  assert.deepEqual(await page.locator('[data-state="now"] strong').allTextContents(), ['Make a passkey']);
  await page.unroute('**/api/v1/enclaves/*/sign-up');
  // The name is still there after another view.
  await person.open('verify');
  await person.open('create');
  assert.equal(await page.getByLabel('Name of the account').inputValue(), 'Grace');
  await person.leave();
});

scenario('an_account_without_active_keys_says_so_and_what_to_do', async () => {
  const { person, page } = await system.registered();
  const words = page.getByText('No active key', { exact: true });
  await page.locator('[data-key]').waitFor();
  assert.equal(await words.count(), 0);
  await page.getByRole('button', { name: /^Archive / }).click();
  await person.approved();
  await words.waitFor();
  await page.getByText('Restore one of them, or create a new one').waitFor();
  for (const view of ['Sign', 'Node']) {
    await page.getByRole('navigation').getByRole('link', { name: view, exact: true }).click();
    await words.waitFor();
    await page.getByRole('link', { name: 'Go to your keys' }).click();
  }
  await page.getByRole('button', { name: /^Restore / }).click();
  await person.approved();
  await words.waitFor({ state: 'detached' });
  await person.leave();
});
