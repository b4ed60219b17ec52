// A browser at a wrong address is shown the right one.

import assert from 'node:assert/strict';
import { scenario } from '../lib/person.js';
import { audit } from '../lib/audit.js';
import { shared } from '../lib/system.js';

const system = shared();

scenario('an_address_of_digits_leads_to_the_page', async () => {
  const person = await system.person();
  const { page } = person;
  const own = system.simulator.page;
  const digits = own.replace('localhost', '127.0.0.1');
  for (const path of ['/', '/docs', '/keys']) {
    const response = await page.goto(`${digits}${path}`);
    assert.equal(response?.status(), 403);
    await page.getByRole('heading', { name: 'This page has another address' }).waitFor();
  }
  await audit(page, 'other-address');
  await page.getByRole('link', { name: `Open ${own}` }).click();
  await page.getByRole('heading', { level: 1, name: /Your key/ }).waitFor();
  assert.equal(new URL(page.url()).origin, own);

  const program = await fetch(`${digits}/`);
  assert.equal(program.status, 403);
  assert.equal((await program.json()).code, 'wrong_host');
  await person.leave();
});

scenario('an_unknown_path_leads_to_the_page', async () => {
  const person = await system.person();
  const { page } = person;
  const own = system.simulator.page;
  const response = await page.goto(`${own}/keys`);
  assert.equal(response?.status(), 404);
  await page.getByRole('heading', { name: 'There is no page at this address' }).waitFor();
  await audit(page, 'no-page');
  await page.getByRole('link', { name: `Open ${own}` }).click();
  await page.getByRole('heading', { level: 1, name: /Your key/ }).waitFor();

  const program = await fetch(`${own}/keys`);
  assert.equal(program.status, 404);
  assert.equal((await program.json()).code, 'not_found');
  await person.leave();
});
