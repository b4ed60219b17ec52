// Two enclaves of a deployment, and a host that shows one of them an old copy of an account.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before } from 'node:test';
import { audit } from '../lib/audit.js';
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

/** @import { Route } from 'playwright-core' */

const CALLS = '**/api/v1/enclaves/**';

const copy = () => execFileSync(String(process.env['OPENKEY_SIM']), ['copy-store', '--dir', simulator.dir, 'e1', 'e2']);

/** The answer of the second enclave. @param {Route} route */
const elsewhere = (route) => {
  const { hosts } = /** @type {any} */ (simulator.ready);
  return route.fetch({ url: route.request().url().replace(simulator.page, hosts[1].url.replace(/\/$/, '')).replace(/enclaves\/[^/]+/, `enclaves/${hosts[1].enclaves[0]}`) });
};

scenario('e2_an_old_copy_of_an_account_is_not_said_to_be_all_there_is', async () => {
  const person = await system.person(simulator.page);
  await person.open('create');
  await person.button('Make a passkey').click();
  await person.prompt();
  // Here the host keeps a copy: the account is not confirmed in it.
  copy();
  await person.approved();
  await person.page.getByRole('heading', { name: 'Your account is ready' }).waitFor();
  await person.view('Sign');
  await person.sign('Text', 'a signature that counts');

  const other = await system.person(simulator.page);
  const { page } = other;
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  for (const credential of credentials) await other.cdp.send('WebAuthn.addCredential', { authenticatorId: other.first, credential });
  await page.route(CALLS, async (route) => route.fulfill({ response: await elsewhere(route) }));
  await other.open('sign');
  await other.button('Sign in').first().click();
  await other.approved();
  await page.getByRole('heading', { level: 1, name: 'The enclave was shown an account that is not confirmed' }).waitFor();
  await page.getByText('If you have used this account, do not create another: tell the operator.').waitFor();
  await page.getByText('This browser sees this account for the first time').waitFor();
  const main = page.getByRole('main');
  await main.getByText('no decision before this sign-in').waitFor();
  assert.doesNotMatch(await main.innerText(), /holds nothing|never confirmed|[Cc]reate a new account/);
  assert.equal(await main.locator('.primary').count(), 0);
  assert.equal(await main.getByRole('link').count(), 0);
  await audit(page, 'unconfirmed-elsewhere');
  await other.leave();
  await person.leave();
});

scenario('the_dialog_names_the_enclave_that_signed_the_prompt', async () => {
  const person = await system.person(simulator.page);
  const { page } = person;
  let second = false;
  await page.route(CALLS, async (route) => (second ? route.fulfill({ response: await elsewhere(route) }) : route.continue()));
  await person.register();
  copy();
  const signer = async () => {
    await person.view('Sign');
    await person.ask('Text', 'who says so?');
    await person.prompt();
    const words = await person.dialog().getByText('says this and signed it').innerText();
    await person.dialog().getByRole('button', { name: 'Cancel' }).click();
    return /The enclave (\S+) says/.exec(words)?.[1];
  };
  const first = await signer();
  assert.ok(first);
  // A read is answered by the second enclave, whose evidence is the newest from here on.
  second = true;
  await person.view('Passkeys');
  await page.locator('[data-passkey]').waitFor();
  await person.view('History');
  await page.getByText(/shown, that is all/).waitFor();
  const other = await signer();
  assert.ok(other && other !== first, `${other}`);
  second = false;
  assert.equal(await signer(), first);
  await person.leave();
});
