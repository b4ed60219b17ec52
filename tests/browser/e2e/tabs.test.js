// Two tabs of one browser, and a host that chooses when an answer comes, which enclave it shows, and when the storage
// that they share is emptied: what one tab has learned counts in the other, and is never untrue of what is finished.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { audit } from '../lib/audit.js';
import { Hardware } from '../lib/hardware.js';
import { honestAgain, hostile } from '../lib/hostile.js';
import { Maintainer, released } from '../lib/maintainer.js';
import { Person, scenario } from '../lib/person.js';
import { decode } from '../../../web/cbor.js';
import { shared } from '../lib/system.js';

const system = shared();

/** @import { Page, Route } from 'playwright-core' */

const CALLS = '**/api/v1/enclaves/**';
const TITLE = 'This passkey was made for a sign-up that has not finished here';

/** What a call asks. @param {Route} route */
const asked = (route) => /** @type {any} */ (decode(new Uint8Array(route.request().postDataBuffer() ?? Buffer.alloc(0)))).request;

/** Another tab of the same browser. @param {Person} person */
async function tab(person) {
  const page = await person.context.newPage();
  const cdp = await person.context.newCDPSession(page);
  await cdp.send('WebAuthn.enable', { enableUI: false });
  const other = new Person(person.context, page, cdp, person.base);
  await other.authenticator('internal');
  return other;
}

/** Gives the passkeys of one tab's authenticator to another tab's. @param {Person} from @param {Person} to @param {number} [later] their counters */
async function lend(from, to, later = 100) {
  const { credentials } = await from.cdp.send('WebAuthn.getCredentials', { authenticatorId: from.first });
  for (const credential of credentials) await to.cdp.send('WebAuthn.addCredential', { authenticatorId: to.first, credential: { ...credential, signCount: credential.signCount + later } });
  return credentials.length;
}

/** @param {Page} page */
const kept = (page) => page.evaluate(() => Object.fromEntries(Object.entries(localStorage).filter(([key]) => key.startsWith('openkey.'))));

scenario('f12_a_receipt_that_comes_late_makes_no_tab_call_the_account_unfinished', async () => {
  const person = await system.person();
  const { page } = person;
  /** @type {Route | null} */
  let held = null;
  await page.route(CALLS, async (route) => {
    if (asked(route).sign_up_finish && held === null) held = route;
    else await route.continue();
  });
  await person.open('create');
  await person.button('Make a passkey').click();
  await page.getByText('Waiting for the enclave’s receipt').waitFor();

  // Meanwhile the person signs in in another tab: nobody knows yet whose account it is, and nobody says to delete it.
  const other = await tab(person);
  await other.open();
  assert.equal(await lend(person, other), 1);
  await other.page.bringToFront();
  await other.button('Sign in').first().click();
  await other.approve();
  const alert = await other.failed('unfinished_sign_up');
  assert.match(await alert.innerText(), new RegExp(TITLE));
  assert.match(await alert.innerText(), /keep this passkey and finish the sign-up there/);
  assert.doesNotMatch(await alert.innerText(), /delete/i);
  await audit(other.page, 'unfinished-sign-up');
  await other.dialog().getByRole('button', { name: 'Cancel' }).click();

  // The receipt arrives.
  await page.bringToFront();
  await (/** @type {Route} */ (/** @type {unknown} */ (held))).continue();
  await person.approved();
  await page.getByRole('heading', { name: 'Your account is ready' }).waitFor();

  // The tab that was refused, as it is, after its next start, and a third one.
  const third = await tab(person);
  await lend(person, third, 200);
  for (const [one, reloads] of /** @type {[Person, boolean][]} */ ([[other, false], [other, true], [third, false]])) {
    await one.page.bringToFront();
    if (reloads) await one.page.reload();
    else await one.open();
    await one.button('Sign in').first().click();
    await one.approved();
    await one.button('Sign out').waitFor();
    assert.equal(await one.page.getByText(TITLE).count(), 0);
    assert.deepEqual(Object.entries(await kept(page)).filter(([key]) => key.startsWith('openkey.unfinished.')).map(([, text]) => text), ['"finished"']);
    await one.button('Sign out').click();
    await one.page.getByText('You are signed out in this browser').waitFor();
  }
  assert.deepEqual([other.errors, third.errors], [[], []]);
  await person.leave();
});

scenario('f12_nobody_is_told_to_delete_a_passkey_whose_receipt_was_seen', async () => {
  const person = await system.person();
  const { page } = person;
  await page.route(CALLS, async (route) => {
    if (!asked(route).sign_up_finish) return route.continue();
    const response = await route.fetch();
    const { answer } = /** @type {any} */ (decode(new Uint8Array(await response.body())));
    const { account } = /** @type {any} */ (decode(answer.body)).result.ok.signed_up.head;
    // Something that the receipt's answer does not continue.
    await page.evaluate((key) => localStorage.setItem(key, JSON.stringify({ version: 9, hash: '99'.repeat(32), entry: '99'.repeat(32), shownAt: 1 })), `openkey.head.${Buffer.from(account).toString('hex')}`);
    return route.fulfill({ response });
  });
  await person.open('create');
  await person.button('Make a passkey').click();
  await person.failed('head_moved');
  assert.doesNotMatch(await page.getByRole('main').innerText(), /delete|A passkey was made and sent/i);
  const [names, { length }] = [Object.keys(await kept(page)), await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first }).then(({ credentials }) => credentials)];
  assert.deepEqual(['account', 'receipt', 'unfinished'].map((kind) => names.filter((name) => name.startsWith(`openkey.${kind}.`)).length), [1, 1, 1]);
  assert.equal(length, 1);
  await person.leave();
});

scenario('f12_a_sign_up_in_another_tab_signs_nobody_out', async () => {
  const { person, page } = await system.registered();
  const other = await tab(person);
  await other.page.bringToFront();
  await other.open('create');
  /** @type {Route | null} */
  let held = null;
  await other.page.route(CALLS, async (route) => {
    if (asked(route).sign_up_finish && held === null) held = route;
    else await route.continue();
  });
  await other.button('Make a passkey').click();
  await other.page.getByText('Waiting for the enclave’s receipt').waitFor();
  await page.bringToFront();
  await person.view('History');
  await other.page.bringToFront();
  await (/** @type {Route} */ (/** @type {unknown} */ (held))).continue();
  await other.prompt();
  await page.bringToFront();
  for (const view of ['Passkeys', 'Keys']) await person.view(view);
  await page.reload();
  await person.view('History');
  assert.equal(await page.getByText('memory_lost').count(), 0);
  await person.leave();
});

/** Two releases: the enclave that runs here, and one of a higher epoch that software plays, with and without a root key. */
async function deployment() {
  const read = async (/** @type {string} */ name) => JSON.parse(await readFile(join(system.simulator.dir, name), 'utf8'));
  const [anchor, list] = [await read('anchor.json'), await read('releases.json')];
  const { manifest } = list.releases[0];
  const maintainer = Maintainer.stranger();
  const measurements = { 0: 'a0'.repeat(48), 1: 'a1'.repeat(48), 2: 'a2'.repeat(48) };
  const configuration = new Uint8Array(32).fill(5);
  const epoch = manifest.epoch + 1;
  const played = (/** @type {boolean} */ root) =>
    new Hardware({
      simulator: true,
      measurements: { ...measurements, 16: createHash('sha384').update(new Uint8Array(48)).update(configuration).digest('hex') },
      binding: { version: 4, configuration, root_source: root ? 'operators' : null, root_id: anchor.root_id && new Uint8Array(Buffer.from(anchor.root_id, 'hex')), release: '9.0.0', epoch, tls_key: null, rollback: 'clients-only', pending: root ? 'unknown' : null, withdrawn: null },
    });
  const [newer, bare] = [played(true), played(false)];
  const next = (/** @type {any} */ one) => ({ ...one, release: '9.0.0', epoch, measurements, configuration: '05'.repeat(32) });
  return {
    newer,
    bare,
    epoch,
    anchor: { ...anchor, release_keys: { threshold: 1, keys: [maintainer.public] }, simulator: { roots: [...anchor.simulator.roots, newer.pem, bare.pem] } },
    releases: { version: 1, releases: [(/** @type {any} */ one) => one, next].map((change) => released(list, change, [maintainer])) },
  };
}

/** Which epoch the browser remembers. @param {Page} page */
const epochOf = async (page) => JSON.parse((await kept(page))['openkey.deployment'] ?? '{}').epoch;

scenario('e15_p2_the_first_sign_up_remembers_the_highest_epoch_that_counts', async () => {
  const person = await system.person();
  const { page } = person;
  const { newer, bare, epoch, anchor, releases } = await deployment();
  const shows = async (/** @type {Hardware | null} */ one) => {
    await hostile(page, { anchor, releases, ...(one && { evidence: (/** @type {Uint8Array} */ nonce) => one.document(nonce) }) });
    await person.button('Get evidence and check it').click();
    await page.getByRole('heading', { name: 'This enclave answered' }).waitFor();
    await page.getByRole('definition').filter({ hasText: `epoch ${one ? epoch : epoch - 1}` }).first().waitFor();
  };
  await hostile(page, { anchor, releases, evidence: (nonce) => newer.document(nonce) });
  await person.open('verify');
  for (const one of [newer, bare, null]) await shows(one);
  await person.open('create');
  await person.button('Make a passkey').click();
  await page.waitForFunction(() => localStorage.getItem('openkey.deployment') !== null);
  assert.equal(await epochOf(page), epoch);
  // An older enclave is refused from here on, in every tab.
  await person.failed('measurement_mismatch');
  await honestAgain(page);
  await person.leave();
});

scenario('e15_a_tab_that_stays_open_keeps_what_another_one_learned_though_the_storage_is_emptied', async () => {
  const { person, page } = await system.registered();
  const other = await tab(person);
  await other.open('verify');
  await other.button('Forget this deployment').waitFor();
  const [before, { epoch, ...rest }] = [await kept(page), JSON.parse(String((await kept(page))['openkey.deployment']))];
  const head = String(Object.keys(before).find((key) => key.startsWith('openkey.head.')));
  // One tab learns of a higher epoch and of newer heads; the other one has only been open.
  await person.view('Sign');
  await person.sign('Text', 'a newer head');
  const { [head]: newest } = await kept(page);
  assert.notEqual(newest, before[head]);
  await page.evaluate((text) => {
    localStorage.setItem('openkey.deployment', text);
    localStorage.clear();
  }, JSON.stringify({ ...rest, epoch: epoch + 1 }));
  await page.close();
  await other.page.bringToFront();
  await other.page.waitForTimeout(300);
  assert.deepEqual(await kept(other.page), {});
  await other.open('create');
  await other.page.reload();
  await other.page.waitForFunction(() => localStorage.getItem('openkey.deployment') !== null);
  assert.equal(await epochOf(other.page), epoch + 1);
  assert.equal((await kept(other.page))[head], newest);
  await person.leave();
});

scenario('e8_an_image_that_has_the_root_key_is_not_said_to_wait_for_it', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open('verify');
  await page.locator('[data-standing="simulator"]').waitFor();
  const shows = async (/** @type {boolean} */ handedOver, /** @type {number[][]} */ ...consents) => {
    await page.evaluate(
      async ([handed, all]) => {
        const load = (/** @type {string} */ path) => import(path);
        const { Visit } = await load('/visit.js');
        const { examine } = Visit.prototype;
        const successors = all.map((one, i) => ({ release: `2.0.${i}`, epoch: 2, manifest_sha256: `a${i}`.repeat(32), announced_at_ms: 1, allowed_from_ms: 2, consents: one, consents_needed: 1 }));
        /** @param {any[]} args */
        Visit.prototype.examine = async function shown(...args) {
          Visit.prototype.examine = examine;
          return { ...(await examine.apply(this, args)), successors, handedOver: handed };
        };
      },
      /** @type {const} */ ([handedOver, consents]),
    );
    await person.button('Get evidence and check it').click();
    await page.getByText('2.0.0').waitFor();
    return page.locator('section').filter({ hasText: 'This enclave answered' }).innerText();
  };
  assert.match(await shows(false, [0]), /Another image may get the root key[\s\S]*if the operators consent \(1 of 1 have\)/);
  const has = await shows(true, [0], []);
  assert.match(has, /Another image has the root key[\s\S]*handed the root key over to it/);
  assert.match(has, /Another image was announced[\s\S]*hands it to this one no more/);
  assert.doesNotMatch(has, /may get|can get/);
  const several = await shows(true, [0], [0]);
  assert.match(several, /Another image may have the root key/);
  assert.doesNotMatch(several, /may get|can get|has the root key/);
  await person.leave();
});
