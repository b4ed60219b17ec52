// E15: a host that serves the policy, root, anchor or releases by which it is to be judged.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { audit } from '../lib/audit.js';
import { Hardware } from '../lib/hardware.js';
import { honestAgain, hostile } from '../lib/hostile.js';
import { Maintainer, released, sha256 } from '../lib/maintainer.js';
import { scenario } from '../lib/person.js';
import { shared } from '../lib/system.js';

const system = shared();
const MEASUREMENTS = { 0: 'a0'.repeat(48), 1: 'a1'.repeat(48), 2: 'a2'.repeat(48) };
const ROOT_ID = new Uint8Array(32).fill(7);
const CONFIGURATION = new Uint8Array(32).fill(5);
/** Register 16, extended from zeros by the configuration's hash. */
const CONFIGURED = createHash('sha384').update(new Uint8Array(48)).update(CONFIGURATION).digest('hex');

const hardware = () =>
  new Hardware({
    measurements: { ...MEASUREMENTS, 16: CONFIGURED },
    binding: { version: 4, configuration: CONFIGURATION, root_source: 'operators', root_id: ROOT_ID, release: '9.9.9', epoch: 9, tls_key: null, rollback: 'clients-only', pending: null, withdrawn: null },
  });

/** A deployment's anchor as its host may write one. @param {Maintainer} maintainer */
const anchorOf = (maintainer) => ({ version: 1, release_keys: { threshold: 1, keys: [maintainer.public] }, root_id: '07'.repeat(32), rp_id: 'localhost', min_epoch: 1 });

/** @param {string} name */
const kept = async (name) => readFile(join(system.simulator.dir, name), 'utf8');

/** The frame says this about the enclave. @param {import('../lib/person.js').Person} person @param {string} state @param {string | RegExp} words */
const shows = async (person, state, words) => {
  const badge = person.page.locator(`[data-standing="${state}"]`);
  await badge.filter({ hasText: words }).waitFor();
  assert.equal(await person.page.locator('.badge.good[data-standing]').count(), 0, 'green');
};

/** Nobody signs up here, and no passkey is made. @param {import('../lib/person.js').Person} person @param {string} rule */
const refusesSignUp = async (person, rule) => {
  await person.open('create');
  await person.button('Make a passkey').click();
  await person.failed(rule);
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  assert.deepEqual(credentials, []);
};

scenario('e15_a_host_that_serves_its_own_root_and_policy_is_refused', async () => {
  const person = await system.person();
  const own = hardware();
  const policy = { version: 1, measurements: [MEASUREMENTS], roots: [own.pem], simulator: false };
  const acts = { config: (/** @type {any} */ config) => ({ ...config, policy }), evidence: (/** @type {Uint8Array} */ nonce) => own.document(nonce) };
  // Beside the page as it is released: with the deployment's anchor and its releases.
  const maintainers = await Maintainer.all(system.simulator.dir);
  const list = JSON.parse(await kept('releases.json'));
  const anchor = { ...anchorOf(/** @type {Maintainer} */ (maintainers[0])), root_id: '07'.repeat(32) };
  const ours = { version: 1, releases: [released(list, (manifest) => ({ ...manifest, measurements: MEASUREMENTS, configuration: '05'.repeat(32), epoch: 9 }), maintainers.slice(0, 1))] };
  await hostile(person.page, { ...acts, anchor, releases: ours });
  await person.open();
  await shows(person, 'refused', 'Refused');
  await refusesSignUp(person, 'unknown_root');
  // Without an anchor there is nothing that the host could widen.
  await hostile(person.page, { ...acts, anchor: null });
  await person.page.reload();
  await shows(person, 'unknown', 'No release known');
  await refusesSignUp(person, 'no_release');
  await person.leave();
});

for (const [name, set] of Object.entries({ a_register_of_zeros: { 8: '00'.repeat(48) }, a_stock_kernel: { 1: MEASUREMENTS[1] }, a_configuration: { 16: '16'.repeat(48) } })) {
  scenario(`f13_e15_a_served_policy_that_names_only_${name}_widens_nothing`, async () => {
    const person = await system.person();
    const own = new Hardware({ ...hardware(), measurements: { ...MEASUREMENTS, 16: '16'.repeat(48) } });
    const policy = { version: 1, measurements: [set], roots: [own.pem] };
    await hostile(person.page, { anchor: null, config: (config) => ({ ...config, policy }), evidence: (nonce) => own.document(nonce) });
    await person.open();
    await shows(person, 'unknown', 'No release known');
    await refusesSignUp(person, 'no_release');
    await person.leave();
  });
}

scenario('e15_releases_signed_by_others_count_for_nothing', async () => {
  const person = await system.person();
  const list = JSON.parse(await kept('releases.json'));
  const strangers = [Maintainer.stranger(), Maintainer.stranger()];
  await hostile(person.page, { releases: { version: 1, releases: [released(list, (manifest) => manifest, strangers)] } });
  await person.open();
  await shows(person, 'unknown', 'No release known');
  await refusesSignUp(person, 'release_signatures');
  await hostile(person.page, { releases: { version: 1, releases: [] } });
  await person.page.reload();
  await refusesSignUp(person, 'no_release');
  await person.leave();
});

scenario('e15_an_enclave_against_its_own_host_s_policy_is_refused', async () => {
  const person = await system.person();
  const policy = { version: 1, measurements: [MEASUREMENTS] };
  await hostile(person.page, { config: (config) => ({ ...config, policy }) });
  await person.open();
  await shows(person, 'refused', 'Refused');
  await refusesSignUp(person, 'host_policy');
  await person.leave();
});

scenario('e15_a_browser_that_remembers_a_deployment_refuses_another_anchor', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open('verify');
  await page.getByText('Nothing yet. At your first sign-up').waitFor();
  await person.register();
  await person.open('verify');
  await person.button('Forget this deployment').waitFor();
  const before = await page.evaluate(() => localStorage.getItem('openkey.deployment'));
  assert.match(String(before), /"release_keys"/);

  // The host's own anchor, with a simulator's roots, its own keys and a release that they signed.
  const stranger = Maintainer.stranger();
  const anchor = JSON.parse(await kept('anchor.json'));
  const list = JSON.parse(await kept('releases.json'));
  const theirs = { ...anchor, release_keys: { threshold: 1, keys: [stranger.public] } };
  const text = JSON.stringify(theirs);
  const page256 = { 'index.html': '11'.repeat(32), 'anchor.json': sha256(text) };
  const own = released(list, (manifest) => ({ ...manifest, page: page256 }), [stranger]);
  await hostile(page, { anchor: text, releases: { version: 1, releases: [own] } });
  await page.reload();
  await shows(person, 'refused', 'Refused');
  await person.open('sign');
  await page.reload();
  await person.failed('deployment_changed');
  // Somebody who never was here cannot tell it from the deployment: no word of the page promises so.
  assert.equal(await page.evaluate(() => localStorage.getItem('openkey.deployment')), before);

  // Without any anchor the page does not start again as if it knew nothing.
  await hostile(page, { anchor: null });
  await page.reload();
  await person.failed('anchor_missing');

  await honestAgain(page);
  await page.reload();
  await shows(person, 'simulator', 'Simulator');
  await person.open('sign');
  await person.sign('Text', 'the same as before');
  await person.leave();
});

scenario('e15_a_lower_epoch_than_this_browser_remembers_is_refused', async () => {
  const person = await system.person();
  const { page } = person;
  await person.register();
  await page.evaluate(() => {
    const known = JSON.parse(String(localStorage.getItem('openkey.deployment')));
    localStorage.setItem('openkey.deployment', JSON.stringify({ ...known, epoch: known.epoch + 1 }));
  });
  await person.open('sign');
  await page.reload();
  await shows(person, 'refused', 'Refused');
  await person.failed('epoch_too_old');
  await person.leave();
});

scenario('e15_new_release_keys_are_accepted_when_the_keys_before_them_signed_the_change', async () => {
  const person = await system.person();
  const { page } = person;
  await person.register();
  const maintainers = (await Maintainer.all(system.simulator.dir)).slice(0, 2);
  const next = Maintainer.stranger();
  const anchor = JSON.parse(await kept('anchor.json'));
  const list = JSON.parse(await kept('releases.json'));
  const text = JSON.stringify({ ...anchor, release_keys: { threshold: 1, keys: [next.public] } });
  const named = { 'index.html': '11'.repeat(32), 'anchor.json': sha256(text) };
  const both = released(list, (manifest) => ({ ...manifest, page: named }), [...maintainers, next]);
  // One of two maintainers is too few.
  const one = released(list, (manifest) => ({ ...manifest, page: named }), [...maintainers.slice(0, 1), next]);
  await hostile(page, { anchor: text, releases: { version: 1, releases: [one] } });
  await person.open('sign');
  await page.reload();
  await person.failed('deployment_changed');
  await hostile(page, { anchor: text, releases: { version: 1, releases: [both] } });
  await page.reload();
  await shows(person, 'simulator', 'Simulator');
  await page.waitForFunction((key) => localStorage.getItem('openkey.deployment')?.includes(key), next.public);
  // From now on the old keys explain nothing.
  await honestAgain(page);
  await page.reload();
  await person.failed('deployment_changed');
  await person.leave();
});

scenario('e15_what_is_remembered_can_be_forgotten_by_the_person_and_is_never_lost_by_damage', async () => {
  const person = await system.person();
  const { page } = person;
  await person.register();
  await page.evaluate(() => localStorage.setItem('openkey.deployment', '{'));
  await person.open('sign');
  await page.reload();
  await person.failed('known_malformed');
  await person.open('verify');
  await person.button('Forget this deployment').click();
  await person.button('Forget it').click();
  await shows(person, 'simulator', 'Simulator');
  assert.equal(await page.evaluate(() => localStorage.getItem('openkey.deployment')), null);
  await person.leave();
});

scenario('e15_an_open_prompt_is_not_approved_once_the_enclave_is_refused', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  await person.ask('Text', 'not under this policy');
  await person.prompt();
  // Another tab of this browser chooses a policy that refuses this enclave.
  const policy = JSON.parse(await kept('policy.json'));
  policy.measurements = [{ ...MEASUREMENTS, 16: '16'.repeat(48) }];
  await page.evaluate((text) => localStorage.setItem('openkey.policy', text), JSON.stringify(policy));
  await person.dialog().getByRole('button', { name: 'Approve with passkey' }).click();
  await person.failed('measurement_mismatch');
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await shows(person, 'refused', 'Refused');
  assert.equal(await page.locator('[data-signed]').count(), 0);
  await person.leave();
});

scenario('e15_an_open_page_notices_that_its_release_has_ended', async () => {
  const person = await system.person();
  const { page } = person;
  await page.clock.install();
  const maintainers = (await Maintainer.all(system.simulator.dir)).slice(0, 2);
  const list = JSON.parse(await kept('releases.json'));
  const until = new Date(Date.now() + 100_000).toISOString().replace(/\.\d+Z/, 'Z');
  await hostile(page, { releases: { version: 1, releases: [released(list, (manifest) => ({ ...manifest, not_after: until }), maintainers)] } });
  await person.open();
  await shows(person, 'simulator', 'Simulator');
  await page.clock.fastForward(110_000);
  await shows(person, 'unknown', 'No release known');
  await person.leave();
});

scenario('the_frame_is_never_green_while_the_enclave_cannot_be_reached', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open();
  await shows(person, 'simulator', 'Simulator');
  await person.context.setOffline(true);
  await shows(person, 'offline', 'Offline');
  await person.context.setOffline(false);
  await shows(person, 'simulator', 'Simulator');
  // The host answers, and the enclave behind it does not.
  await page.route('**/api/v1/enclaves/**', (route) => route.fulfill({ status: 503, json: { code: 'enclave_away', message: 'away' } }));
  await person.open('create');
  await person.button('Make a passkey').click();
  await shows(person, 'offline', 'Offline');
  await person.leave();
});

/** Evidence of a simulator in the words for hardware: there is none here. @param {import('playwright-core').Page} page */
const asHardware = (page) =>
  page.evaluate(async () => {
    const load = (/** @type {string} */ path) => import(path);
    const { Verifier } = await load('/verifier.js');
    const { anchored } = Verifier.prototype;
    /** @param {any} given */
    Verifier.prototype.anchored = function shown(given) {
      const judged = anchored.call(this, given);
      const binding = { ...judged.evidence.binding, root_source: 'operators' };
      return { ...judged, evidence: { ...judged.evidence, simulator: false, binding } };
    };
  });

scenario('every_standing_passes_axe_dark_and_light_on_phone_and_desk', async () => {
  const person = await system.person();
  const { page } = person;
  /** @param {string} state @param {string} label */
  const look = async (state, label) => {
    await page.locator(`[data-standing="${state}"]`).filter({ hasText: label }).waitFor();
    await audit(page, `standing-${state}`);
  };
  await person.open();
  await look('simulator', 'Simulator');
  await hostile(page, { anchor: null });
  await page.reload();
  await look('unknown', 'No release known');
  await honestAgain(page);
  await page.reload();
  await look('simulator', 'Simulator');
  await asHardware(page);
  await person.open('verify');
  await person.button('Get evidence and check it').click();
  await look('verified', 'Verified release');
  await person.register();
  await asHardware(page);
  await person.open('verify');
  await person.button('Get evidence and check it').click();
  await page.getByRole('heading', { name: 'This enclave answered' }).waitFor();
  await look('same', 'Same enclave as before');
  await person.context.setOffline(true);
  await look('offline', 'Offline');
  assert.equal(await page.locator('.badge.good').count(), 0, 'green while offline');
  await person.context.setOffline(false);
  await hostile(page, { anchor: { ...JSON.parse(await kept('anchor.json')), release_keys: { threshold: 1, keys: [Maintainer.stranger().public] } } });
  await person.open();
  await page.reload();
  await look('refused', 'Refused');
  await person.leave();
});

test('the hostile host’s documents are right in everything but their root', async () => {
  const { Verifier } = await import('../../../web/verifier.js');
  const verifier = await Verifier.fromBytes(await readFile(new URL('../../../web/verifier.wasm', import.meta.url)));
  const own = hardware();
  const nonce = new Uint8Array(32).fill(1);
  const configured = new Hardware({ ...own, measurements: { ...MEASUREMENTS, 16: CONFIGURED } });
  const policy = { version: /** @type {const} */ (1), measurements: [{ ...MEASUREMENTS, 16: CONFIGURED }], roots: [configured.pem] };
  const report = verifier.evidence({ document: new Uint8Array(configured.document(nonce)), nonce, now: Date.now(), policy: /** @type {any} */ (policy) });
  assert.equal(report.simulator, false);
});
