// The enclave is killed while a person is in the middle of something. The tab goes on.

import assert from 'node:assert/strict';
import { recoverMessageAddress } from 'viem';
import { scenario } from '../lib/person.js';
import { shared } from '../lib/system.js';

const system = shared({ start: false });

/** Each test kills the one enclave process that the start line named. @param {(person: import('../lib/person.js').Person, address: `0x${string}`) => Promise<void>} run */
const withEnclave = (run) => async () => {
  await system.start();
  try {
    const { person, address } = await system.registered();
    await run(person, address);
    await person.leave();
  } finally {
    await system.stop();
  }
};

scenario('h2_a_kill_while_the_prompt_is_open_is_survived_by_the_same_tab', withEnclave(async (person, address) => {
  await person.view('Sign');
  await person.ask('Text', 'before and after');
  await person.prompt();
  await system.simulator.killEnclave();
  // Approved while nobody is there: kept, and sent again until the enclave is back.
  await person.approved();
  const { signature } = await person.signature();
  assert.equal(await recoverMessageAddress({ message: 'before and after', signature }), address);

  // The new boot signs with another identity; the page asks for its evidence and goes on.
  const again = await person.sign('Text', 'under the new identity');
  assert.equal(await recoverMessageAddress({ message: 'under the new identity', signature: again.signature }), address);
  assert.equal(await person.page.evaluate(() => document.querySelector('#who .badge')?.textContent), 'Simulator');
  await person.view('History');
  await person.page.getByText('3 shown, that is all.').waitFor();
}));

scenario('h2_a_kill_between_the_touch_and_the_approval_is_survived', withEnclave(async (person, address) => {
  const { page } = person;
  await person.view('Sign');
  await person.ask('Text', 'touched already');
  await person.prompt();
  let killed = 0;
  await page.route('**/api/v1/enclaves/*/request', async (route) => {
    if (killed === 0 && route.request().postDataBuffer()?.includes('approve')) {
      killed += 1;
      await system.simulator.killEnclave();
    }
    await route.continue();
  });
  await person.approved();
  assert.equal(killed, 1);
  const { signature } = await person.signature();
  assert.equal(await recoverMessageAddress({ message: 'touched already', signature }), address);
}));

scenario('h2_an_approval_whose_answer_was_lost_is_found_and_not_repeated', withEnclave(async (person, address) => {
  const { page } = person;
  await person.view('Sign');
  await person.ask('Text', 'only once');
  await person.prompt();
  let lost = 0;
  await page.route('**/api/v1/enclaves/*/request', async (route) => {
    if (lost === 0 && route.request().postDataBuffer()?.includes('approve')) {
      await route.fetch();
      lost += 1;
      await route.abort('connectionreset');
    } else await route.continue();
  });
  await person.approved();
  assert.equal(lost, 1);
  const { signature } = await person.signature();
  assert.equal(await recoverMessageAddress({ message: 'only once', signature }), address);
  await person.view('History');
  await page.getByText('2 shown, that is all.').waitFor();
}));

scenario('h2_a_kill_between_the_new_passkey_and_its_receipt_makes_one_account', withEnclave(async () => {
  const person = await system.person();
  const { page } = person;
  let finished = 0;
  await page.route('**/api/v1/enclaves/*/sign-up', async (route) => {
    if (finished === 0 && route.request().postDataBuffer()?.includes('sign_up_finish')) {
      finished += 1;
      await system.simulator.killEnclave();
    }
    await route.continue();
  });
  await person.register('Interrupted');
  assert.equal(finished, 1);
  await page.getByText('Signed for by the enclave').waitFor();
  await person.leave();
}));
