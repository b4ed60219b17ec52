// A browser that sees an account for the first time, from a host that shows an old copy: the warning stays until the
// person has compared, whatever the host drops and however often somebody signs in.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before } from 'node:test';
import { decode } from '../../../web/cbor.js';
import { scenario } from '../lib/person.js';
import { Simulator } from '../lib/simulator.js';
import { shared } from '../lib/system.js';

const system = shared({ start: false });
/** @type {Simulator} */
let simulator;
before(async () => {
  simulator = await Simulator.start(['--no-node', '--replicas', '2', '--fork-store']);
});
after(() => simulator.stop());

/** @import { Page, Route } from 'playwright-core' */
/** @import { Person } from '../lib/person.js' */

const CALLS = '**/api/v1/enclaves/**';
const SIGHT = 'This browser sees this account for the first time';

/** Asks the second enclave, over the old copy. @param {Route} route */
function elsewhere(route) {
  const { hosts } = /** @type {any} */ (simulator.ready);
  return route.fetch({ url: route.request().url().replace(simulator.page, hosts[1].url.replace(/\/$/, '')).replace(/enclaves\/[^/]+/, `enclaves/${hosts[1].enclaves[0]}`) });
}

/** Whether this browser warns, in every view of the account. @param {Person} person @param {number} times */
async function warns(person, times) {
  for (const view of ['Passkeys', 'History', 'Sign', 'Keys']) {
    await person.view(view);
    if (times > 0) await person.page.getByText(SIGHT).waitFor();
    else await person.page.waitForTimeout(300);
    assert.equal(await person.page.getByText(SIGHT).count(), times, view);
  }
}

/** @param {Person} person */
async function signsIn(person) {
  await person.button('Sign in').first().click();
  await person.approved();
  await person.button('Sign out').waitFor();
}

scenario('e2_a_first_sight_is_told_until_the_person_has_compared', async () => {
  const person = await system.person(simulator.page);
  await person.register();
  execFileSync(String(process.env['OPENKEY_SIM']), ['copy-store', '--dir', simulator.dir, 'e1', 'e2']);
  await person.view('Sign');
  await person.sign('Text', 'made after the copy');

  // Another browser of the same person; the host shows it the old copy, and drops what it reads.
  const other = await system.person(simulator.page);
  const { page } = other;
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  for (const credential of credentials) await other.cdp.send('WebAuthn.addCredential', { authenticatorId: other.first, credential: { ...credential, signCount: credential.signCount + 10 } });
  await person.leave();
  let drops = true;
  const host = async (/** @type {Route} */ route) => {
    const { request } = /** @type {any} */ (decode(new Uint8Array(route.request().postDataBuffer() ?? Buffer.alloc(0))));
    if (drops && request.read) return route.abort('connectionreset');
    return route.fulfill({ response: await elsewhere(route) });
  };
  await other.context.route(CALLS, host);
  await other.open();
  await signsIn(other);
  await other.button('Sign out').click();
  drops = false;

  // The second sign-in, a reload, and a second tab: nobody has compared it yet.
  await signsIn(other);
  await warns(other, 1);
  const notice = page.locator('.sight');
  await notice.getByText('newest decision before this sign-in').waitFor();
  await notice.getByText('Confirm your new account').waitFor();
  await page.reload();
  await warns(other, 1);
  const session = await page.evaluate(() => String(sessionStorage.getItem('openkey.session')));
  const tab = await other.context.newPage();
  await tab.goto(`${simulator.page}/#/`);
  await tab.evaluate((text) => sessionStorage.setItem('openkey.session', text), session);
  await tab.goto(`${simulator.page}/?2#/keys`);
  await tab.getByText(SIGHT).waitFor();
  await tab.getByText('Confirm your new account').waitFor();
  // It is another decision than that of the later sign-in which the person is asked about.
  assert.equal(await tab.locator('.sight').getByText('Signed in').count(), 0);

  await tab.getByRole('button', { name: 'It is as I remember it' }).click();
  await tab.getByText(SIGHT).waitFor({ state: 'detached' });
  await warns(other, 0);
  await other.button('Sign out').click();
  await signsIn(other);
  await warns(other, 0);
  assert.equal(await page.getByText('memory_lost').count(), 0);
  await other.leave();
});
