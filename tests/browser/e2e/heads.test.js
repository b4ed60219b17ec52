// A host that chooses which answer comes when, from which copy of an account, and empties the browser's storage:
// what the page once was shown still counts, and only for whoever asked.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { decode } from '../../../web/cbor.js';
import { Person, scenario } from '../lib/person.js';
import { Simulator } from '../lib/simulator.js';
import { shared } from '../lib/system.js';

const system = shared();

/** @import { Route } from 'playwright-core' */

const CALLS = '**/api/v1/enclaves/**';

/** What a call asks. @param {Route} route */
const asked = (route) => /** @type {any} */ (decode(new Uint8Array(route.request().postDataBuffer() ?? Buffer.alloc(0)))).request;

/** What the browser keeps of heads. @param {Person} person */
const heads = (person) =>
  person.page.evaluate(() =>
    Object.entries(localStorage)
      .filter(([key]) => key.startsWith('openkey.head.'))
      .map(([, text]) => JSON.parse(text))
      .map(({ version, hash }) => ({ version, hash })),
  );

/** Lets another passkey prompt come first. @param {Person} person @param {string} name */
async function rename(person, name) {
  await person.page.getByRole('button', { name: /^Rename / }).first().click();
  await person.page.getByLabel('Name of the passkey').fill(name);
  await person.button('Continue').click();
}

scenario('e16_an_answer_of_an_earlier_session_is_another_person_s', async () => {
  const { person, page } = await system.registered();
  const first = person.first;
  const other = await system.person();
  const address = await other.register('Eve');
  const { credentials } = await other.cdp.send('WebAuthn.getCredentials', { authenticatorId: other.first });
  await other.leave();
  /** @type {Route | null} */
  let held = null;
  let drop = false;
  await page.route(CALLS, async (route) => {
    if (asked(route).read && held === null) held = route;
    else if (asked(route).read && drop) await route.abort('connectionreset');
    else await route.continue();
  });
  await person.view('Passkeys');
  await page.waitForTimeout(300);
  assert.ok(held, 'a read is held');
  const read = /** @type {Route} */ (/** @type {unknown} */ (held));
  const answer = await read.fetch();
  await person.button('Sign out').click();
  // Somebody else signs in in this tab.
  const usb = await person.authenticator('usb');
  for (const credential of credentials) await person.cdp.send('WebAuthn.addCredential', { authenticatorId: usb, credential });
  await person.touchOnly(usb);
  await person.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: first });
  person.authenticators = [usb];
  drop = true;
  await person.button('Sign in').first().click();
  await person.approved();
  await read.fulfill({ response: answer });
  await page.waitForTimeout(500);
  assert.equal(await page.locator('[data-key]').count(), 0, 'no key of the first account is shown');
  await page.unroute(CALLS);
  await person.view('Passkeys');
  await person.view('Keys');
  assert.equal(await person.address(0), address);
  await page.reload();
  assert.equal(await person.address(0), address);
  await person.leave();
});

scenario('e2_a_held_answer_of_another_copy_does_not_replace_a_newer_head', async () => {
  const simulator = await Simulator.start(['--no-node', '--replicas', '2', '--fork-store']);
  try {
    const person = await system.person(simulator.page);
    const { page } = person;
    await person.register();
    execFileSync(String(process.env['OPENKEY_SIM']), ['copy-store', '--dir', simulator.dir, 'e1', 'e2']);
    const { hosts } = /** @type {any} */ (simulator.ready);
    const elsewhere = (/** @type {Route} */ route) => route.fetch({ url: route.request().url().replace(simulator.page, hosts[1].url.replace(/\/$/, '')).replace(/enclaves\/[^/]+/, `enclaves/${hosts[1].enclaves[0]}`) });

    // The person's passkey, on another device, signs in twice at the copy.
    const device = await system.person(simulator.page);
    const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
    for (const credential of credentials) await device.cdp.send('WebAuthn.addCredential', { authenticatorId: device.first, credential: { ...credential, signCount: credential.signCount + 10 } });
    await device.page.route(CALLS, async (route) => route.fulfill({ response: await elsewhere(route) }));
    await device.open();
    for (let i = 0; i < 2; i += 1) {
      await device.button('Sign in').first().click();
      await device.approved();
      await device.button('Sign out').click();
    }
    await device.leave();

    // A read is held, the passkey is renamed at the first copy, and the read is answered from the second.
    await person.view('History');
    await page.getByText('that is all').waitFor();
    /** @type {Route | null} */
    let held = null;
    let away = false;
    await page.route(CALLS, async (route) => {
      if (away) await route.fulfill({ response: await elsewhere(route) });
      else if (asked(route).read && held === null) held = route;
      else if (asked(route).approve) {
        const response = await route.fetch();
        away = true;
        await route.fulfill({ response });
      } else await route.continue();
    });
    await person.view('Passkeys');
    await rename(person, 'Renamed');
    await person.approved();
    const [renamed] = await heads(person);
    const late = /** @type {Route} */ (/** @type {unknown} */ (held));
    await late.fulfill({ response: await elsewhere(late) });
    await person.page.getByRole('alert').filter({ hasText: /forked|rolled_back/ }).first().waitFor();
    assert.deepEqual(await heads(person), [renamed]);
    // Neither does a sign-in, without a word, later.
    await page.reload();
    await page.getByRole('alert').filter({ hasText: /forked|rolled_back/ }).first().waitFor();
    assert.deepEqual(await heads(person), [renamed]);
    await person.leave();
  } finally {
    await simulator.stop();
  }
});

scenario('e2_a_storage_that_is_emptied_ends_the_session_and_keeps_what_the_page_knew', async () => {
  const { person, page } = await system.registered();
  // What a Clear-Site-Data header on any answer does to what the tabs share. What is still being read is kept
  // when it comes, so this waits until nothing does.
  const empty = async () => {
    do {
      await page.evaluate(() => localStorage.clear());
      await page.waitForTimeout(500);
    } while ((await heads(person)).length > 0);
  };
  const known = await heads(person);
  assert.equal(known.length, 1);
  for (const leave of [() => person.view('History').catch(() => {}), () => page.reload()]) {
    await empty();
    await leave();
    await page.getByRole('alert').filter({ hasText: 'memory_lost' }).waitFor();
    assert.equal(await page.evaluate(() => localStorage.getItem('openkey.deployment') !== null), true);
    const [kept] = await heads(person);
    assert.ok(kept && Number(kept.version) >= Number(known[0]?.version), 'the head is kept again');
    await person.button('Sign in').first().click();
    await person.approved();
    await page.getByRole('navigation').getByRole('link', { name: 'Keys', exact: true }).click();
    await page.locator('[data-key]').waitFor();
    assert.equal(await page.getByText('for the first time').count(), 0);
  }
  // Where even the tab has lost it, a session that is found again is no reason to trust what is shown.
  await empty();
  await page.evaluate(() => sessionStorage.removeItem('openkey.copies'));
  await page.reload();
  await page.getByText('This browser sees this account for the first time').waitFor();
  await person.leave();
});

/** Drops the first answer to an approval and everything read after the second. @param {Person} person */
async function deaf(person) {
  const host = { approvals: 0, deaf: false };
  await person.page.route(CALLS, async (route) => {
    const request = asked(route);
    if (request.approve) {
      host.approvals += 1;
      const response = await route.fetch();
      host.deaf = true;
      await (host.approvals === 1 ? route.abort('connectionreset') : route.fulfill({ response }));
    } else if (request.read && host.deaf) await route.abort('connectionreset');
    else await route.continue();
  });
  return host;
}

scenario('e16_a_used_approval_is_done_once_a_history_shows_it', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  await page.locator('[data-passkey]').waitFor();
  const before = await heads(person);
  const host = await deaf(person);
  await rename(person, 'Renamed');
  await person.approve();
  const shown = person.dialog().locator('[data-may-count]');
  await shown.waitFor({ timeout: 40_000 });
  assert.equal(await shown.locator('code').textContent(), 'context_used');
  assert.ok(host.approvals >= 2);
  assert.equal(await page.getByText('The passkey was renamed').count(), 0);
  assert.deepEqual(await heads(person), before);
  assert.equal(await page.evaluate(() => JSON.parse(sessionStorage.getItem('openkey.sent') ?? '[]').length), 1);
  // The host lets the history through.
  host.deaf = false;
  await page.unroute(CALLS);
  await person.dialog().getByRole('button', { name: 'Send it again' }).click();
  await person.dialog().waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'Renamed' }).waitFor();
  assert.ok(Number((await heads(person))[0]?.version) > Number(before[0]?.version));
  assert.equal(await page.evaluate(() => sessionStorage.getItem('openkey.sent')), null);
  await person.leave();
});

scenario('e16_an_account_is_ready_by_a_signed_confirmation_alone', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open('create');
  await page.getByLabel('Name of the account').fill('Ada');
  await deaf(person);
  await person.button('Make a passkey').click();
  await person.approve();
  const shown = person.dialog().locator('[data-may-count]');
  await shown.waitFor({ timeout: 40_000 });
  assert.equal(await shown.locator('code').textContent(), 'context_used');
  assert.equal(await page.getByText('Your account is ready').count(), 0);
  await person.dialog().getByRole('button', { name: 'Close' }).click();
  await page.getByRole('main').getByText('An earlier approval can still count').waitFor();
  assert.equal(await page.getByText('Your account is ready').count(), 0);
  await page.unroute(CALLS);
  await person.button('Sign in').first().click();
  await person.approved();
  await page.locator('[data-key]').waitFor();
  await person.leave();
});
