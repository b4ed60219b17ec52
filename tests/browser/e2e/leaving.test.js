// Going away from an open approval: nothing is approved once its dialog has gone, and what was sent
// before that is never lost in silence.

import assert from 'node:assert/strict';
import { recoverMessageAddress } from 'viem';
import { audit } from '../lib/audit.js';
import { scenario } from '../lib/person.js';
import { honest, relay } from '../lib/relay.js';
import { shared } from '../lib/system.js';

const system = shared();

/** @import { Person } from '../lib/person.js' */

/** @type {Record<string, (person: Person) => Promise<unknown>>} ways to leave a dialog of the sign view */
const WAYS = {
  'the browser’s Back': ({ page }) => page.goBack(),
  'a link': ({ page }) => page.evaluate(() => { location.hash = '#/passkeys'; }),
  Escape: ({ page }) => page.keyboard.press('Escape'),
  'a browser that closes the dialog by itself': ({ page }) => page.evaluate(() => document.querySelector('dialog')?.close()),
  Cancel: (person) => person.dialog().getByRole('button', { name: 'Cancel' }).click(),
  'a reload': ({ page }) => page.reload(),
};

/** What was decided, newest first. @param {Person} person */
async function decisions(person) {
  await person.view('History');
  await person.page.getByText(/shown, that is all/).waitFor();
  return (await person.page.locator('[data-sequence] h2').allTextContents()).map((text) => text.trim());
}

/** A gate for answers to approvals: the enclave has decided, the page does not know yet. @param {Person} person */
async function held(person) {
  /** @type {() => void} */
  let open = () => {};
  /** @type {() => void} */
  let arrived = () => {};
  const gate = new Promise((resolve) => { open = () => resolve(null); });
  const decided = new Promise((resolve) => { arrived = () => resolve(null); });
  await relay(person.page, {
    reply: async (_, request) => {
      if (!request.approve) return;
      arrived();
      await gate;
    },
  });
  return { open, decided };
}

for (const [way, leave] of Object.entries(WAYS)) {
  scenario(`no_approval_goes_on_after_its_dialog_went: ${way}`, async () => {
    const { person } = await system.registered();
    await person.view('Sign');

    // Before a passkey is asked for.
    await person.ask('Text', 'not this one');
    await person.prompt();
    await leave(person);
    await person.dialog().waitFor({ state: 'detached' });

    // While the browser waits for a touch. The touch comes when the dialog has gone.
    await person.view('Sign');
    await person.touchOnly(null);
    await person.ask('Text', 'nor this one');
    await person.approve();
    await person.button('Waiting …').waitFor();
    await leave(person);
    await person.dialog().waitFor({ state: 'detached' });
    await person.touchOnly(person.first);

    // A later approval is the only one there is.
    await person.view('Sign');
    await person.sign('Text', 'this one');
    assert.deepEqual(await decisions(person), ['Text signed', 'Account confirmed']);
    await person.page.getByText('this one', { exact: true }).waitFor();
    await person.leave();
  });
}

scenario('a_name_that_is_asked_for_goes_with_its_view', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  await person.view('Keys');
  await person.button('Create a key').click();
  await page.getByLabel('Name of the key').fill('Travel');
  await page.goBack();
  await person.dialog().waitFor({ state: 'detached' });
  await page.getByRole('heading', { level: 1, name: 'Passkeys' }).waitFor();
  // What was typed is there again.
  await person.view('Keys');
  await person.button('Create a key').click();
  assert.equal(await page.getByLabel('Name of the key').inputValue(), 'Travel');
  // Given up, it is not.
  await page.keyboard.press('Escape');
  await person.button('Create a key').click();
  assert.equal(await page.getByLabel('Name of the key').inputValue(), '');
  await page.keyboard.press('Escape');
  await person.leave();
});

scenario('a_new_passkey_is_not_made_after_its_dialog_went', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  const second = await person.authenticator('usb');
  await person.touchOnly(null);
  await person.button('Add a passkey').click();
  await page.getByLabel('Name of the passkey').fill('Blue');
  await person.button('Make the passkey').click();
  await person.dialog().getByText('Your browser asks where to keep the new passkey.').waitFor();
  await page.goBack();
  await person.dialog().waitFor({ state: 'detached' });
  await person.touchOnly(second);
  // The browser serves one request at a time: an answer to this one comes after the other ended.
  await person.touchOnly(person.first);
  await person.view('Sign');
  await person.sign('Text', 'afterwards');
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: second });
  assert.equal(credentials.length, 0);
  await person.leave();
});

scenario('what_was_sent_before_somebody_left_is_told_and_in_the_history', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  const { open, decided } = await held(person);
  await person.ask('Text', 'on its way');
  await person.approve();
  await decided;
  await page.goBack();
  await person.dialog().waitFor({ state: 'detached' });
  open();
  const toast = page.getByRole('status').filter({ hasText: 'You left before the answer came' });
  await toast.filter({ hasText: 'The enclave accepted your approval: “Sign a text”' }).waitFor();
  assert.equal(await page.locator('[data-signed]').count(), 0);
  await honest(page);
  assert.deepEqual(await decisions(person), ['Text signed', 'Account confirmed']);
  assert.equal(await toast.count(), 0);
  await person.leave();
});

scenario('a_dialog_closed_while_its_approval_is_on_its_way_shows_the_result_in_its_view', async () => {
  const { person, page, address } = await system.registered();
  await person.view('Sign');
  const { open, decided } = await held(person);
  await person.ask('Text', 'too late to stop');
  await person.approve();
  await decided;
  await page.keyboard.press('Escape');
  await person.dialog().waitFor({ state: 'detached' });
  open();
  const { signature } = await person.signature();
  assert.equal(await recoverMessageAddress({ message: 'too late to stop', signature }), address);
  await person.leave();
});

scenario('a_refusal_that_comes_after_somebody_left_is_told', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  // The host's own word ends nothing: it is not known what the enclave did.
  /** @type {() => void} */
  let open = () => {};
  const gate = new Promise((resolve) => { open = () => resolve(null); });
  const asked = page.waitForRequest((request) => request.url().endsWith('/request') && (request.postDataBuffer()?.includes('assertion') ?? false));
  await page.route('**/api/v1/enclaves/*/request', async (route) => {
    if (!route.request().postDataBuffer()?.includes('assertion')) return route.continue();
    await gate;
    return route.fulfill({ status: 403, json: { code: 'wrong_origin', message: 'The host refuses.', advice: 'Go away.' } });
  });
  await person.ask('Text', 'lost');
  await person.approve();
  await asked;
  await page.goBack();
  open();
  const toast = page.getByRole('status').filter({ hasText: 'Your approval was sent, and no answer settled it: “Sign a text” may have been approved.' });
  await toast.waitFor();
  await audit(page, 'left');
  await person.button('Dismiss').click();
  await toast.waitFor({ state: 'detached' });
  await person.leave();
});

scenario('a_reload_while_an_approval_is_on_its_way_says_so', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  const { open, decided } = await held(person);
  await person.ask('Text', 'reloaded');
  await person.approve();
  await decided;
  await page.reload();
  open();
  await page.getByRole('status').filter({ hasText: '“Sign a text” may have been approved' }).waitFor();
  await honest(page);
  assert.deepEqual(await decisions(person), ['Text signed', 'Account confirmed']);
  // Once.
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'History' }).waitFor();
  await page.getByText(/shown, that is all/).waitFor();
  assert.equal(await page.getByText('may have been approved').count(), 0);
  await person.leave();
});

scenario('signing_out_in_one_tab_signs_out_every_tab_of_this_browser', async () => {
  const { person, page } = await system.registered();
  // A duplicated tab: it has the same session.
  const session = await page.evaluate(() => String(sessionStorage.getItem('openkey.session')));
  const copy = await person.context.newPage();
  await copy.goto(`${system.simulator.page}/#/history`);
  await copy.evaluate((text) => sessionStorage.setItem('openkey.session', text), session);
  await copy.reload();
  await copy.locator('[data-sequence]').first().waitFor();
  await person.button('Sign out').click();
  await page.getByRole('status').filter({ hasText: 'You are signed out in this browser, in all its tabs' }).waitFor();
  await copy.getByRole('alert').filter({ hasText: 'signed_out' }).waitFor();
  assert.equal(await copy.locator('[data-sequence]').count(), 0);
  assert.equal(await copy.evaluate(() => sessionStorage.getItem('openkey.session')), null);

  // One that was asleep, and heard of it by no event.
  await copy.evaluate((text) => sessionStorage.setItem('openkey.session', text), session);
  await copy.reload();
  await copy.getByRole('heading', { name: 'Sign in to see this' }).waitFor();
  // Signing in again is another session.
  await person.button('Sign in').first().click();
  await person.approved();
  await page.locator('[data-key]').waitFor();
  await page.reload();
  await page.locator('[data-key]').waitFor();
  await person.leave();
});
