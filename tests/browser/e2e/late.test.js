// A host that keeps an approval back until somebody has signed out, or somebody else has signed in: what comes of it
// counts for the session that asked, and nobody else is told of it.

import assert from 'node:assert/strict';
import { decode } from '../../../web/cbor.js';
import { scenario } from '../lib/person.js';
import { shared } from '../lib/system.js';

const system = shared();

/** @import { Page, Route } from 'playwright-core' */
/** @import { Person } from '../lib/person.js' */

const CALLS = '**/api/v1/enclaves/**';
const TOO_LATE = 'An earlier sign-in was answered only now.';

/** Keeps the first approval back that goes out. @param {Page} page */
async function keptBack(page) {
  /** @type {(route: Route) => void} */
  let arrived = () => {};
  /** @type {Promise<Route>} */
  const first = new Promise((resolve) => { arrived = resolve; });
  let isKept = false;
  await page.route(CALLS, async (route) => {
    const { request } = /** @type {any} */ (decode(new Uint8Array(route.request().postDataBuffer() ?? Buffer.alloc(0))));
    if (!request.approve || isKept) return route.continue();
    isKept = true;
    return arrived(route);
  });
  return first;
}

/** Lets a kept approval go on, and waits until the page has its answer. @param {Page} page @param {Route} route */
async function goesOn(page, route) {
  const answered = page.waitForEvent('requestfinished', (request) => request === route.request());
  await route.continue();
  await answered;
  await page.waitForTimeout(1000);
}

/** A synchronised passkey has no counter: here each answer counts on from a higher one. @param {Person} person @param {number} signCount */
async function counting(person, signCount) {
  const authenticatorId = person.first;
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId });
  for (const credential of credentials) {
    await person.cdp.send('WebAuthn.removeCredential', { authenticatorId, credentialId: credential.credentialId });
    await person.cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...credential, signCount } });
  }
}

/** Bob, and the passkey that he brings to other browsers. */
async function bob() {
  const person = await system.person();
  const address = await person.register('Bob');
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  await person.leave();
  return {
    address,
    /** Comes to the browser of somebody who leaves it. @param {Person} other */
    comes: async (other) => {
      const key = await other.authenticator('usb');
      for (const credential of credentials) await other.cdp.send('WebAuthn.addCredential', { authenticatorId: key, credential: { ...credential, signCount: credential.signCount + 10 } });
      await other.touchOnly(key);
      await other.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: other.first });
      other.authenticators = [key];
    },
  };
}

/** Whose session this tab has. @param {Page} page */
const account = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem('openkey.session') ?? 'null')?.account ?? null);

scenario('e16_a_confirmation_that_is_kept_back_moves_nobody_else_s_session', async () => {
  const other = await bob();
  const ada = await system.person();
  const { page } = ada;
  const kept = keptBack(page);
  await ada.open('create');
  await page.getByLabel('Name of the account').fill('Ada');
  await ada.button('Make a passkey').click();
  await ada.approve();
  const late = await kept;
  await page.keyboard.press('Escape');
  await other.comes(ada);
  await page.evaluate(() => { location.hash = '#/keys'; });
  await page.getByRole('main').getByRole('button', { name: 'Sign in', exact: true }).click();
  await ada.approved();
  await page.locator('[data-key]').first().waitFor();
  const before = await account(page);

  await goesOn(page, late);
  assert.equal(await account(page), before);
  await page.getByRole('status').filter({ hasText: TOO_LATE }).waitFor();
  await ada.view('Passkeys');
  await ada.view('Keys');
  assert.equal(await ada.address(0), other.address);
  await page.reload();
  assert.equal(await ada.address(0), other.address);
  await ada.leave();
});

scenario('e16_a_sign_in_that_is_kept_back_ends_with_the_sign_out_that_comes_before_its_answer', async () => {
  const { person, page } = await system.registered();
  await person.button('Sign out').click();
  await counting(person, 1000);
  const kept = keptBack(page);
  await person.button('Sign in').first().click();
  await person.approve();
  const late = await kept;
  await page.keyboard.press('Escape');
  // The person tries again, is signed in, and signs out.
  await counting(person, 500);
  await person.button('Sign in').first().click();
  await person.approved();
  await page.locator('[data-key]').first().waitFor();
  await person.button('Sign out').click();
  await page.getByRole('status').filter({ hasText: 'You are signed out' }).waitFor();

  await goesOn(page, late);
  assert.equal(await account(page), null);
  assert.equal(await person.button('Sign out').count(), 0);
  await page.reload();
  await page.getByRole('heading', { level: 1, name: /Your key/ }).waitFor();
  assert.equal(await account(page), null);
  await person.leave();
});

/** A second tab of somebody's browser, with their passkey. @param {Person} person */
async function secondTab(person) {
  const tab = await person.context.newPage();
  const cdp = await person.context.newCDPSession(tab);
  await cdp.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  for (const credential of credentials) await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...credential, signCount: credential.signCount + 50 } });
  await tab.goto(`${system.simulator.page}/#/`);
  return tab;
}

scenario('e16_a_sign_out_in_one_tab_ends_a_sign_in_that_is_under_way_in_another', async () => {
  const { person, page } = await system.registered();
  const tab = await secondTab(person);
  const kept = keptBack(tab);
  await tab.getByRole('button', { name: 'Sign in', exact: true }).first().click();
  await tab.getByText('Good until').waitFor();
  await tab.getByRole('dialog').getByRole('button', { name: 'Approve with passkey' }).click();
  const late = await kept;
  await page.bringToFront();
  await person.button('Sign out').click();
  await page.getByRole('status').filter({ hasText: 'in all its tabs' }).waitFor();

  await goesOn(tab, late);
  assert.equal(await account(tab), null);
  assert.equal(await tab.getByRole('button', { name: 'Sign out', exact: true }).count(), 0);
  await tab.getByRole('status').filter({ hasText: TOO_LATE }).waitFor();
  await tab.reload();
  await tab.getByRole('button', { name: 'Sign in', exact: true }).first().waitFor();

  // A prompt that was open meanwhile is asked for again, and counts then.
  await tab.unroute(CALLS);
  await tab.getByRole('button', { name: 'Sign in', exact: true }).first().click();
  await tab.getByText('Good until').waitFor();
  const digest = await tab.locator('#prompt-digest').textContent();
  await page.bringToFront();
  await page.evaluate(() => localStorage.setItem('openkey.signed-out', 'somebody'));
  await tab.bringToFront();
  const approve = tab.getByRole('dialog').getByRole('button', { name: 'Approve with passkey' });
  await approve.click();
  await tab.waitForFunction((was) => ![null, was].includes(document.querySelector('#prompt-digest')?.textContent ?? null), digest);
  await approve.click();
  await tab.getByRole('button', { name: 'Sign out', exact: true }).waitFor();
  await person.leave();
});

scenario('e16_an_approval_of_one_person_is_told_to_nobody_else_in_the_tab', async () => {
  const other = await bob();
  const { person: ada, page } = await system.registered();
  const kept = keptBack(page);
  await ada.view('Sign');
  await ada.ask('Text', 'the words of Ada');
  await ada.approve();
  const late = await kept;
  await page.keyboard.press('Escape');
  /** @type {string[]} everything that the page says from here on, newest last */
  const said = [];
  await page.exposeFunction('heard', (/** @type {string} */ text) => said.push(text));
  await page.evaluate(() => {
    const status = /** @type {HTMLElement} */ (document.getElementById('status'));
    new MutationObserver(() => /** @type {any} */ (globalThis).heard(status.innerText)).observe(status, { childList: true, subtree: true, characterData: true });
  });
  await ada.button('Sign out').click();
  await page.getByRole('status').filter({ hasText: 'You are signed out' }).waitFor();
  const left = await page.evaluate(() => sessionStorage.getItem('openkey.sent'));
  await other.comes(ada);
  await ada.button('Sign in').first().click();
  await ada.prompt();
  assert.equal(await ada.dialog().getByText('An earlier approval').count(), 0);
  await ada.approved();
  await page.locator('[data-key]').first().waitFor();
  await goesOn(page, late);
  await ada.view('Sign');
  await ada.ask('Text', 'the words of Bob');
  await ada.prompt();
  assert.equal(await ada.dialog().getByText('An earlier approval').count(), 0);
  await ada.dialog().getByRole('button', { name: 'Cancel' }).click();
  const [signedIn, ...others] = [said.findIndex((text) => text.startsWith('You are signed in')), ...said];
  assert.ok(signedIn > 0, said.join('|'));
  assert.deepEqual(others.slice(signedIn).filter((text) => /You left|approv|Sign a text/.test(text)), []);
  assert.equal(left, null);
  // Whoever signs out is told, without a word of what it was.
  const out = others.slice(0, signedIn).join('\n');
  assert.match(out, /An approval that you sent may still count: look at the history after \d\d:\d\d\./);
  assert.doesNotMatch(out, /Sign a text/);
  await ada.leave();
});

scenario('e16_an_approval_whose_session_ended_is_told_to_its_own_person_at_the_next_sign_in', async () => {
  const other = await bob();
  const { person: ada, page } = await system.registered();
  const { credentials } = await ada.cdp.send('WebAuthn.getCredentials', { authenticatorId: ada.first });
  const kept = keptBack(page);
  await ada.view('Sign');
  await ada.ask('Text', 'the words of Ada');
  await ada.approve();
  const late = await kept;
  await page.keyboard.press('Escape');
  // Her session ends without a sign-out, as by its time, and Bob comes first.
  await page.evaluate(async () => {
    const session = JSON.parse(String(sessionStorage.getItem('openkey.session')));
    sessionStorage.setItem('openkey.session', JSON.stringify({ ...session, expiresAt: 0 }));
  });
  await page.reload();
  await late.abort();
  await other.comes(ada);
  await ada.button('Sign in').first().click();
  await ada.approved();
  await ada.button('Sign out').waitFor();
  await page.waitForTimeout(300);
  assert.equal(await page.getByText('may have been approved').count(), 0);
  await ada.button('Sign out').click();
  await ada.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: ada.first });
  ada.authenticators = [];
  const again = await ada.authenticator('internal');
  for (const credential of credentials) await ada.cdp.send('WebAuthn.addCredential', { authenticatorId: again, credential: { ...credential, signCount: credential.signCount + 50 } });
  await ada.button('Sign in').first().click();
  await ada.approved();
  await page.getByRole('status').filter({ hasText: '“Sign a text” may have been approved' }).waitFor();
  await ada.leave();
});
