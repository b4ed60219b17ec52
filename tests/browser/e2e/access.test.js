// Everyone can use it: axe-core finds nothing in any view, dark and light, on a phone and on a desk;
// nothing scrolls sideways; and a whole visit works with the keyboard alone.

import assert from 'node:assert/strict';
import { recoverMessageAddress } from 'viem';
import { audit } from '../lib/audit.js';
import { scenario } from '../lib/person.js';
import { PERMIT } from '../lib/samples.js';
import { shared } from '../lib/system.js';

const system = shared();

scenario('every_view_passes_axe_dark_and_light_on_phone_and_desk', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open();
  await page.getByRole('link', { name: 'Simulator' }).waitFor();
  await audit(page, 'welcome');

  await person.open('verify');
  await person.button('Get evidence and check it').click();
  await page.getByRole('heading', { name: 'This enclave answered' }).waitFor();
  await audit(page, 'verify');
  await page.getByRole('radio', { name: /My own/ }).check();
  await page.getByLabel('Policy file').fill('{}');
  await person.button('Get evidence and check it').click();
  await person.failed('policy');
  await audit(page, 'verify-failure');

  await person.open('keys');
  await page.getByRole('heading', { name: 'Sign in to see this' }).waitFor();
  await audit(page, 'signed-out');

  await person.open('create');
  await audit(page, 'create');
  await person.button('Make a passkey').click();
  await person.prompt();
  await audit(page, 'create-confirm');
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await audit(page, 'create-receipt');
  await person.button('Confirm with passkey').click();
  await person.approved();
  await page.getByRole('heading', { name: 'Your account is ready' }).waitFor();
  await audit(page, 'create-ready');

  await person.view('Keys');
  await page.locator('[data-key]').waitFor();
  await audit(page, 'keys');
  await person.button('Create a key').click();
  await audit(page, 'keys-name');
  await page.keyboard.press('Escape');
  await person.button('Archive First key').or(page.getByRole('button', { name: /^Archive / })).first().click();
  await person.approved();
  await page.getByText('Archived', { exact: true }).waitFor();
  await audit(page, 'keys-archived');
  await page.getByRole('navigation').getByRole('link', { name: 'Sign', exact: true }).click();
  await page.getByText('No active key', { exact: true }).waitFor();
  await audit(page, 'sign-no-key');
  await person.view('Keys');
  await page.getByRole('button', { name: /^Restore / }).click();
  await person.approved();

  await person.view('Sign');
  await person.ask('Text', 'The meeting is at nine.');
  await person.prompt();
  await audit(page, 'sign-prompt');
  await person.approved();
  await person.signature();
  await audit(page, 'sign-done');
  await page.getByRole('radio', { name: 'Sign-in message' }).check();
  await page.getByText('Compose one').click();
  await audit(page, 'sign-siwe');
  await person.ask('Typed data', JSON.stringify(PERMIT));
  await person.prompt();
  await audit(page, 'sign-danger');
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await person.ask('Typed data', '{"types": 1}');
  await person.failed('typed_data_refused');
  await audit(page, 'sign-failure');
  await person.dialog().getByRole('button', { name: 'Close' }).click();

  await person.open('connect');
  await page.getByRole('heading', { level: 1, name: 'Connect to a node' }).waitFor();
  await audit(page, 'connect');
  await page.getByLabel('Folder').fill('');
  await person.button('Connect').click();
  await person.prompt();
  await audit(page, 'connect-permissions');
  await person.dialog().getByRole('checkbox').check();
  await person.approve();
  await person.dialog().locator('[data-grants="hosting"]').waitFor();
  await audit(page, 'connect-hosting');
  await person.approved();
  await person.button('Write and read back').click();
  await page.locator('[data-read]').waitFor();
  await audit(page, 'connect-done');
  await page.getByLabel('Folder').fill('a b');
  await person.button('Connect').click();
  await person.failed('folder');
  await audit(page, 'connect-failure');

  await person.view('Passkeys');
  await page.locator('[data-passkey]').waitFor();
  await audit(page, 'passkeys');
  await person.button('Add a passkey').click();
  await audit(page, 'passkeys-name');
  await page.keyboard.press('Escape');

  await person.view('History');
  await page.locator('[data-sequence]').first().waitFor();
  await page.locator('summary').first().click();
  await audit(page, 'history');
  await person.leave();
});

scenario('pages_beside_the_main_way_pass_axe_too', async () => {
  const person = await system.person();
  const { page } = person;
  await page.goto(`${system.simulator.page}/docs`);
  await page.getByRole('heading', { name: 'OpenKey requests' }).waitFor();
  await audit(page, 'docs');

  // Another address than its own.
  const { port } = new URL(system.simulator.page);
  const mirror = `http://mirror.localhost:${port}`;
  await page.route(`${mirror}/**`, async (route) => route.fulfill({ response: await route.fetch({ url: route.request().url().replace(mirror, system.simulator.page), headers: {} }) }));
  await page.goto(mirror);
  await page.getByRole('heading', { name: 'This page is not at its own address' }).waitFor();
  await audit(page, 'wrong-address');

  // An account that was never confirmed, and a session that ended.
  await person.open('create');
  await person.button('Make a passkey').click();
  await person.prompt();
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await person.open();
  await page.reload();
  await person.button('Sign in').click();
  await person.prompt();
  await audit(page, 'sign-in-prompt');
  await person.approved();
  await page.getByRole('heading', { name: 'This account is not confirmed yet' }).waitFor();
  await audit(page, 'unconfirmed');
  await page.evaluate(() => {
    const session = JSON.parse(String(sessionStorage.getItem('openkey.session')));
    sessionStorage.setItem('openkey.session', JSON.stringify({ ...session, expiresAt: Date.now() + 2000 }));
  });
  await page.reload();
  await person.failed('session_ended');
  await audit(page, 'session-ended');

  // Nobody there.
  await page.route('**/api/**', (route) => route.abort('connectionrefused'));
  await person.open();
  await page.reload();
  await person.failed('offline');
  await audit(page, 'unreachable');
  await page.route('**/config.json', (route) => route.abort('connectionrefused'));
  await page.reload();
  await page.getByRole('heading', { name: 'OpenKey could not start' }).waitFor();
  await audit(page, 'could-not-start');
  await person.leave();
});

scenario('one_visit_with_the_keyboard_alone', async () => {
  const person = await system.person();
  const { page } = person;
  const { keyboard } = page;
  const focused = () =>
    page.evaluate(() => {
      const one = document.activeElement;
      const label = one instanceof HTMLInputElement || one instanceof HTMLTextAreaElement ? one.labels?.[0]?.textContent : null;
      return (one?.getAttribute('aria-label') ?? label ?? one?.textContent ?? '').trim();
    });
  /** Presses Tab until a control whose name begins so has the focus. @param {string} name */
  const tabTo = async (name) => {
    for (let i = 0; i < 60; i += 1) {
      if ((await focused()).startsWith(name)) return;
      await keyboard.press('Tab');
    }
    assert.fail(`Tab does not reach “${name}”`);
  };
  /** The focus must be seen. */
  const visible = async () => {
    const outline = await page.evaluate(() => {
      const one = document.activeElement;
      return one ? getComputedStyle(one).outlineStyle : 'none';
    });
    assert.notEqual(outline, 'none', `the focus on “${await focused()}” cannot be seen`);
  };
  /** @param {string} name */
  const press = async (name) => {
    await tabTo(name);
    await visible();
    await keyboard.press('Enter');
  };
  const approve = async () => {
    await person.prompt();
    // The dialog keeps the focus: a round of Tab stays inside or at the browser's own controls.
    for (let i = 0; i < 8; i += 1) {
      await keyboard.press('Tab');
      assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest('dialog') !== null), await focused());
    }
    await press('Approve with passkey');
    await person.dialog().waitFor({ state: 'detached' });
  };

  await page.goto(system.simulator.page);
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).or(page.getByRole('main').getByRole('button', { name: 'Sign in' })).waitFor();
  await keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to content');
  await keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
  await press('Create an account');
  await page.getByRole('heading', { level: 1, name: 'Create an account' }).waitFor();
  assert.equal(await focused(), 'Create an account');
  await tabTo('Name of the account');
  await keyboard.press('Control+A');
  await keyboard.type('Keyboard');
  await press('Make a passkey');
  await approve();
  await page.getByRole('heading', { name: 'Your account is ready' }).waitFor();
  await press('Go to your keys');
  const address = await person.address(0);

  await press('Create a key');
  await tabTo('Name of the key');
  await keyboard.type('Savings');
  await keyboard.press('Enter');
  await approve();
  await page.locator('[data-key="1"]').waitFor();
  await press('Rename Savings');
  await keyboard.type('Travel');
  await keyboard.press('Enter');
  await approve();
  await page.getByRole('heading', { name: 'Travel' }).waitFor();
  // The list was drawn anew; the focus is still at the control that was used.
  assert.equal(await focused(), 'Rename Travel');

  await tabTo('Skip to content');
  await press('Sign');
  await page.getByRole('heading', { level: 1, name: 'Sign', exact: true }).waitFor();
  await page.locator('select option').first().waitFor({ state: 'attached' });
  await tabTo('Text to sign');
  await keyboard.type('Typed, not clicked.');
  await press('Show what would be signed');
  await person.prompt();
  await keyboard.press('Escape');
  await person.dialog().waitFor({ state: 'detached' });
  assert.equal(await focused(), 'Show what would be signed');
  await keyboard.press('Enter');
  await approve();
  const { signature } = await person.signature();
  assert.equal(await recoverMessageAddress({ message: 'Typed, not clicked.', signature }), address);
  await press('Sign out');
  await page.getByRole('heading', { level: 1, name: /Your key/ }).waitFor();
  await person.leave();
});
