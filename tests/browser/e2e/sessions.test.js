// A session ends at the enclave, not in the page: by the enclave's clock, which these tests move. The
// clock of an enclave in a virtual machine does not move with the simulator's, so they need a process.

import assert from 'node:assert/strict';
import { recoverMessageAddress } from 'viem';
import { scenario } from '../lib/person.js';
import { shared } from '../lib/system.js';

const system = shared();

scenario('e17_a_prompt_is_for_whoever_is_signed_in', async () => {
  const { person, page, address } = await system.registered();
  await person.view('Sign');
  // The host's clock is put forward: for the enclave the read token has ended, and the page does not know.
  await system.simulator.fault('clock-offset=+2h');
  try {
    await person.ask('Text', 'after a while');
    // The dialog goes with its view, and the page says why.
    await page.getByRole('main').getByRole('alert').filter({ hasText: 'session_ended' }).waitFor();
    assert.equal(await person.dialog().count(), 0);
    await page.getByRole('heading', { name: 'Sign in to see this' }).waitFor();
  } finally {
    await system.simulator.fault(null);
  }
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
  await person.approved();
  const { signature } = await person.sign('Text', 'after a while');
  assert.equal(await recoverMessageAddress({ message: 'after a while', signature }), address);
  await person.leave();
});
