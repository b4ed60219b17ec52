// An enclave whose operators have not brought its root key: it proves what it is, and serves nobody.

import assert from 'node:assert/strict';
import { audit } from '../lib/audit.js';
import { scenario } from '../lib/person.js';
import { Simulator } from '../lib/simulator.js';
import { shared } from '../lib/system.js';

const system = shared({ start: false });

scenario('while_the_enclave_waits_for_its_operators_nobody_is_offered_an_account', async () => {
  const simulator = await Simulator.start(['--root', 'operators', '--no-operators', '--no-node']);
  try {
    const person = await system.person(simulator.page);
    const { page } = person;
    await person.open();
    const notice = page.getByRole('main').getByText('The enclave waits for its operators', { exact: true });
    await notice.waitFor();
    await page.getByRole('main').getByText('can take hours').first().waitFor();
    assert.equal(await page.getByRole('link', { name: /Create an account/ }).isVisible(), false);
    assert.equal(await page.locator('[data-standing]').getAttribute('data-standing'), 'unready');
    await page.getByText('Development enclave: it protects nothing.').waitFor();
    await audit(page, 'waiting');

    await person.open('create');
    await notice.waitFor();
    assert.equal(await person.button('Make a passkey').count(), 0);

    await person.open('keys');
    await page.getByRole('heading', { name: 'Sign in to see this' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'Create an account' }).count(), 0);
    // Who tries to sign in all the same hears why nobody is served.
    await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    await person.dialog().getByText(/waits for its operators.*hours.*sent again/).waitFor();
    const alert = await person.failed('awaiting_root_key');
    assert.match(await alert.innerText(), /hours/);
    await person.leave();
  } finally {
    await simulator.stop();
  }
});
