// A host that left a program in a browser, by a document of this address that no release names.

import assert from 'node:assert/strict';
import { audit } from '../lib/audit.js';
import { front } from '../lib/front.js';
import { scenario } from '../lib/person.js';
import { shared } from '../lib/system.js';

const system = shared();

/** The page may remove the worker before the document that registered it sees that it is ready: then it is redundant. */
const REGISTER = `navigator.serviceWorker.register('/docs/worker.js', { scope: '/' }).then(({ installing, waiting, active }) => {
  const worker = installing ?? waiting ?? active;
  const look = () => { if (['activated', 'redundant'].includes(worker.state)) document.title = 'installed'; };
  worker.addEventListener('statechange', look);
  look();
});`;

/** A document that registers a worker for the whole address, and a worker that takes pages that are open. */
const LEFT = {
  '/docs': { type: 'text/html', body: '<!doctype html><title>docs</title><script src="/docs/register.js"></script>' },
  '/docs/register.js': { type: 'text/javascript', body: REGISTER },
  '/docs/worker.js': { type: 'text/javascript', body: "addEventListener('activate', (event) => event.waitUntil(clients.claim())); addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));", headers: { 'service-worker-allowed': '/' } },
};
const HEADING = 'Another program stood between this page and its address';

/** @param {import('playwright-core').Page} page */
const installed = (page) => page.waitForFunction(() => document.title === 'installed');
/**
 * The databases of this address, among them that of the sessions at nodes.
 * @param {import('playwright-core').Page} page
 */
const databases = (page) => page.evaluate(async () => (await indexedDB.databases()).map((one) => one.name));
/**
 * Whether the page's own code keeps a session at a node.
 * @param {import('playwright-core').Page} page
 */
const keepsSession = (page) => page.evaluate("import('/node/session.js').then(({ keepSession }) => keepSession('0x', {}))");
/** @param {import('playwright-core').Page} page */
const registered = (page) => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);

scenario('e15_a_worker_that_an_unreleased_document_left_blocks_the_page_and_goes', async () => {
  /** @type {Record<string, import('../lib/front.js').Own>} */
  const own = { ...LEFT };
  const host = await front(system.simulator.page, own);
  try {
    const person = await system.person(host.address);
    const { page } = person;
    await person.open();
    await page.getByRole('heading', { level: 1, name: /Your key/ }).waitFor();
    assert.equal(await page.locator('a[href^="/"]').count(), 0, 'the page links nothing of its address but itself');
    assert.equal(await keepsSession(page), true);
    assert.deepEqual(await databases(page), ['openkey-node']);
    await page.goto(`${host.address}/docs`);
    await installed(page);
    // From here on every byte that is served is the released one.
    for (const path of Object.keys(LEFT)) delete own[path];
    await person.open();
    await page.getByRole('heading', { level: 1, name: HEADING }).waitFor();
    await page.getByText(`remove everything of ${new URL(host.address).host}`).waitFor();
    await person.failed('service_worker');
    assert.equal(await page.getByRole('main').getByRole('button').count(), 0);
    assert.equal(await page.getByRole('main').getByRole('link').count(), 0);
    await audit(page, 'service-worker');
    assert.equal(await registered(page), 0);
    assert.deepEqual(await databases(page), [], 'the keys of sessions at nodes go');
    await page.reload();
    await page.getByRole('heading', { level: 1, name: /Your key/ }).waitFor();
    await person.leave();
  } finally {
    host.close();
  }
});

scenario('e15_a_worker_that_takes_an_open_page_ends_it', async () => {
  const host = await front(system.simulator.page, { ...LEFT });
  try {
    const person = await system.person(host.address);
    const { page } = person;
    await person.open();
    await page.getByRole('heading', { level: 1, name: /Your key/ }).waitFor();
    const other = await person.context.newPage();
    await other.goto(`${host.address}/docs`);
    await installed(other);
    await page.getByRole('heading', { level: 1, name: HEADING }).waitFor();
    // It does not come back under another name of a view.
    await page.evaluate(() => { location.hash = '#/create'; });
    await page.waitForTimeout(200);
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), HEADING);
    await person.leave();
  } finally {
    host.close();
  }
});

for (const [how, script] of Object.entries({
  'takes pages that are open': LEFT['/docs/worker.js'].body,
  'waits for the next page': "addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));",
})) {
  scenario(`e15_a_worker_that_comes_while_the_page_starts_ends_it: ${how}`, async () => {
    const host = await front(system.simulator.page, { ...LEFT, '/docs/worker.js': { ...LEFT['/docs/worker.js'], body: script } });
    try {
      const person = await system.person(host.address);
      const { page } = person;
      // The host keeps back the first file that the page asks for, until the worker is there.
      /** @type {() => void} */
      let goOn = () => {};
      const installing = new Promise((resolve) => { goOn = () => resolve(null); });
      await page.route('**/config.json', async (route) => {
        await installing;
        await route.continue();
      });
      const asked = page.waitForRequest('**/config.json');
      await page.goto(`${host.address}/#/verify`, { waitUntil: 'commit' });
      await asked;
      const other = await person.context.newPage();
      await other.goto(`${host.address}/docs`);
      await installed(other);
      await page.bringToFront();
      goOn();
      await page.getByRole('heading', { level: 1, name: HEADING }).waitFor();
      await person.failed('service_worker');
      await page.waitForTimeout(500);
      assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), HEADING);
      assert.equal(await page.getByRole('main').getByRole('button').count(), 0);
      assert.equal(await registered(page), 0);
      await person.leave();
    } finally {
      host.close();
    }
  });
}
