// What a hostile host, relay or look-alike page tries, and what the page does about it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { credential } from '../lib/forger.js';
import { scenario } from '../lib/person.js';
import { honest, invented, relay } from '../lib/relay.js';
import { shared } from '../lib/system.js';

const system = shared();

/** @param {string} rule @param {(own: any) => any} swap */
const swapAtRegistration = async (rule, swap) => {
  const person = await system.person();
  const { page } = person;
  let swapped = false;
  await relay(page, {
    request: (asked) => {
      if (!asked.sign_up_finish) return undefined;
      swapped = true;
      const own = asked.sign_up_finish.credential;
      return { sign_up_finish: { ...asked.sign_up_finish, credential: swap(own) } };
    },
  });
  await person.open('create');
  await person.button('Make a passkey').click();
  // The enclave answered another request than this page sent.
  await person.failed(rule);
  assert.ok(swapped);
  assert.equal(await page.getByText('0x').count(), 0);
  assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => /receipt|addresses/.test(key)).length), 0);
  await person.leave();
};

scenario('f12_a_relay_that_registers_its_own_passkey_is_noticed', () =>
  swapAtRegistration('answer_request', (own) => credential({ clientData: own.client_data_json, rpId: 'localhost' })));

scenario('f12_a_relay_that_keeps_the_credential_id_and_swaps_the_key_is_noticed', () =>
  swapAtRegistration('answer_request', (own) => credential({ clientData: own.client_data_json, rpId: 'localhost', id: own.id })));

scenario('f12_a_relay_that_swaps_the_passkey_to_be_added_is_noticed_before_anyone_approves', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  const second = await person.authenticator('usb');
  await person.touchOnly(second);
  await relay(page, {
    request: (asked) => {
      if (!asked.passkey_created) return undefined;
      const own = asked.passkey_created.credential;
      return { passkey_created: { ...asked.passkey_created, credential: credential({ clientData: own.client_data_json, rpId: 'localhost' }) } };
    },
  });
  await person.button('Add a passkey').click();
  await page.getByLabel('Name of the passkey').fill('Mine');
  await person.button('Make the passkey').click();
  await person.failed('answer_request');
  assert.equal(await person.dialog().getByRole('button', { name: 'Approve with passkey' }).count(), 0);
  await person.leave();
});

/**
 * Asks for a signature through a relay; the page must refuse the prompt before a passkey is asked.
 * @param {string} rule
 * @param {Parameters<typeof relay>[1]} change
 */
const refusedPrompt = async (rule, change) => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  await relay(page, change);
  await person.ask('Text', 'I owe you one apple.');
  await person.failed(rule);
  assert.equal(await person.dialog().getByRole('button', { name: 'Approve with passkey' }).count(), 0);
  await person.leave();
};

scenario('e5_a_prompt_whose_signature_covers_other_bytes_than_asked_is_refused', () =>
  refusedPrompt('answer_request', {
    request: (asked) => asked.propose && { propose: { ...asked.propose, action: { sign: { ...asked.propose.action.sign, payload: { text: 'I owe you one castle.' } } } } },
  }));

scenario('e5_a_prompt_with_one_changed_byte_is_refused', () =>
  refusedPrompt('statement_signature', {
    reply: (said) => {
      const prompt = said?.ok?.prompted?.prompt;
      if (!prompt) return undefined;
      assert.ok(prompt.summary.text.includes('apple'));
      prompt.summary.text = prompt.summary.text.replace('apple', 'maple');
      return said;
    },
  }));

scenario('e5_a_challenge_that_is_not_the_one_in_the_prompt_is_never_answered', () =>
  refusedPrompt('statement_signature', {
    reply: (said) => {
      if (!said?.ok?.prompted) return undefined;
      said.ok.prompted.options.challenge = new Uint8Array(32);
      return said;
    },
  }));

scenario('a10_a_prompt_of_an_earlier_request_is_refused', async () => {
  await refusedPrompt('answer_request', {
    reply: async (said, asked) => {
      if (!asked.propose) return undefined;
      // The very same request, asked by the relay under a nonce of its own.
      const { encode, decode } = await import('../../../web/cbor.js');
      const response = await fetch(`${system.simulator.page}/api/v1/enclaves/${system.simulator.ready.enclaves[0]?.id}/request`, {
        method: 'POST',
        headers: { 'content-type': 'application/cbor' },
        body: encode({ nonce: new Uint8Array(32), request: asked }),
      });
      return { reply: decode(new Uint8Array(await response.arrayBuffer())) };
    },
  });
});

scenario('f2_evidence_made_for_another_nonce_is_refused', async () => {
  const person = await system.person();
  const { page } = person;
  /** @type {any} */
  let old = null;
  await relay(page, {
    reply: (said, asked, reply) => {
      if (!asked.evidence) return undefined;
      old ??= reply;
      return { reply: old };
    },
  });
  await person.open('verify');
  await page.getByRole('link', { name: 'Simulator' }).waitFor();
  await person.button('Get evidence and check it').click();
  await person.failed('nonce_mismatch');
  await person.leave();
});

/** @param {string} rule @param {(policy: any) => void} change */
const refusedByPolicy = async (rule, change) => {
  const person = await system.person();
  const { page } = person;
  await person.open('verify');
  await page.getByRole('link', { name: 'Simulator' }).waitFor();
  await page.getByRole('radio', { name: /My own/ }).check();
  const field = page.getByLabel('Policy file');
  const policy = JSON.parse(await readFile(system.simulator.ready.policy, 'utf8'));
  change(policy);
  await field.fill(JSON.stringify(policy));
  await person.button('Get evidence and check it').click();
  await person.failed(rule);
  await page.getByRole('link', { name: 'Refused' }).waitFor();

  // Nobody signs up with an enclave that this policy refuses.
  await person.open('create');
  await person.button('Make a passkey').click();
  await person.failed(rule);
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  assert.deepEqual(credentials, []);
  await person.leave();
};

scenario('f8_simulator_evidence_under_a_policy_for_hardware_is_refused', () =>
  refusedByPolicy('simulator_document', (policy) => {
    policy.simulator = false;
  }));

scenario('e7_another_measurement_is_refused', () =>
  refusedByPolicy('measurement_mismatch', (policy) => {
    for (const set of policy.measurements) set['0'] = '00'.repeat(47) + '01';
  }));

scenario('e2_an_older_account_is_never_taken_for_the_present_one', async () => {
  const { person, page } = await system.registered();
  /** @type {any} */
  let old = null;
  await relay(page, {
    reply: (said, asked, reply) => {
      if (asked.read?.query !== 'account') return undefined;
      old ??= reply;
      return { reply: old };
    },
  });
  await person.view('Passkeys');
  await page.locator('[data-passkey]').waitFor();
  await page.getByRole('button', { name: /^Rename / }).first().click();
  await page.getByLabel('Name of the passkey').fill('New name');
  await person.button('Continue').click();
  await person.approved();
  await person.failed('answer_request');

  await honest(page);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'New name' }).waitFor();
  await person.leave();
});

/**
 * Changes what the enclave answers to a view of the account.
 * @param {(ok: any) => void} change
 */
const inViews = (change) => ({
  /** @param {any} said @param {any} asked */
  reply: (said, asked) => {
    if (!asked.read || !said?.ok) return undefined;
    change(said.ok);
    return said;
  },
});

scenario('e16_an_address_that_no_enclave_signed_for_is_not_shown', async () => {
  const { person, page } = await system.registered();
  await relay(
    page,
    inViews(({ account }) => {
      for (const key of account.keys) key.address = new Uint8Array(20).fill(0xbb);
    }),
  );
  await page.reload();
  await person.failed('statement_signature');
  assert.equal(await page.getByText(/0xbb/i).count(), 0);
  await person.leave();
});

scenario('e16_a_passkey_or_a_name_that_the_host_changed_is_not_shown', async () => {
  const { person, page } = await system.registered();
  const second = await person.authenticator('usb');
  await person.view('Passkeys');
  await person.touchOnly(second);
  await person.button('Add a passkey').click();
  await page.getByLabel('Name of the passkey').fill('Thief');
  await person.button('Make the passkey').click();
  await person.prompt();
  await person.button('Use the new passkey').click();
  await person.dialog().getByText('Second of two').waitFor();
  await person.touchOnly(person.first);
  await person.approved();
  await page.getByRole('heading', { name: 'Thief' }).waitFor();

  // The host hides the second passkey, then calls it by another name.
  for (const change of [
    (/** @type {any} */ account) => account.passkeys.pop(),
    (/** @type {any} */ account) => {
      account.passkeys[1].name = 'Your old phone';
    },
  ]) {
    await relay(page, inViews(({ account }) => account && change(account)));
    await page.reload();
    await person.failed('statement_signature');
    assert.equal(await page.locator('[data-passkey]').count(), 0);
    assert.equal(await page.getByText('Your old phone').count(), 0);
    await honest(page);
    await page.reload();
    await page.getByRole('heading', { name: 'Thief' }).waitFor();
  }
  await person.leave();
});

scenario('e16_an_entry_taken_out_of_the_history_is_noticed', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  await person.sign('Text', 'I owe you one apple.');
  await relay(
    page,
    inViews(({ history }) => {
      history?.entries.shift();
    }),
  );
  await person.view('History');
  await person.failed('statement_signature');
  assert.equal(await page.locator('[data-sequence]').count(), 0);
  await person.leave();
});

scenario('e16_a_refusal_that_the_host_invents_is_shown_as_the_hosts_word', async () => {
  const { person, page } = await system.registered();
  await relay(page, { reply: (said, asked) => (asked.evidence ? undefined : invented('unknown_account')) });
  await page.reload();
  const shown = await person.failed('unsigned_refusal');
  assert.match(await shown.innerText(), /refused by the host/);
  assert.match(await shown.innerText(), /unknown_account/);
  assert.equal(await page.getByRole('link', { name: /account/i }).count(), 0, 'no new account is offered because of it');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await person.button('Sign in').first().click();
  await person.failed('unsigned_refusal');
  await honest(page);
  await person.leave();
});

scenario('e16_an_outcome_that_the_host_swapped_is_not_believed', async () => {
  const { person, page } = await system.registered();
  await relay(page, {
    reply: (said) => {
      const created = said?.ok?.approved?.outcome?.key_created;
      if (!created) return undefined;
      created.address = new Uint8Array(20).fill(0xbb);
      return said;
    },
  });
  await person.button('Create a key').click();
  await page.getByLabel('Name of the key').fill('Savings');
  await person.button('Continue').click();
  await person.approve();
  await person.failed('statement_signature');
  assert.equal(await page.getByText(/0xbb/i).count(), 0);
  await person.leave();
});

/** The page as somebody else's server shows it. @param {import('../lib/person.js').Person} person @param {string} mirror @param {(config: any) => any} [config] */
const mirrored = async (person, mirror, config = (served) => served) => {
  await person.page.route(`${mirror}/**`, async (route) => {
    const request = route.request();
    const url = request.url().replace(mirror, system.simulator.page);
    const headers = { ...request.headers(), host: new URL(system.simulator.page).host };
    for (const name of ['origin', 'referer', 'sec-fetch-site']) delete headers[name];
    const response = await route.fetch({ url, headers });
    if (url.endsWith('/config.json')) await route.fulfill({ response, json: config(await response.json()) });
    else await route.fulfill({ response });
  });
};

scenario('s2_the_page_at_another_address_refuses_clearly', async () => {
  const { port } = new URL(system.simulator.page);
  const person = await system.person();
  const { page } = person;

  // Straight from the host, under a name that is not its own.
  const answer = await page.goto(`http://127.0.0.1:${port}/`);
  if (answer?.status() === 200) await page.getByRole('heading', { name: 'This page is not at its own address' }).waitFor();
  else assert.match(await page.textContent('body') ?? '', /wrong_host/);

  // Shown by a look-alike.
  const mirror = `http://mirror.localhost:${port}`;
  await mirrored(person, mirror);
  await page.goto(mirror);
  await page.getByRole('heading', { name: 'This page is not at its own address' }).waitFor();
  await page.getByText(`It works only at ${system.simulator.page}`).waitFor();
  assert.equal(await person.button('Sign in').count(), 0);
  await person.leave();
});

scenario('s2_a_look_alike_that_hides_the_warning_is_refused_by_the_enclave', async () => {
  const { port } = new URL(system.simulator.page);
  const person = await system.person();
  const { page } = person;
  const mirror = `http://mirror.localhost:${port}`;
  await mirrored(person, mirror, (config) => ({ ...config, origin: mirror }));
  await page.goto(mirror);
  await page.getByRole('link', { name: 'Simulator' }).waitFor();
  await person.button('Sign in').click();
  await person.failed('wrong_origin');
  await person.leave();
});

scenario('s2_a_passkey_does_not_answer_at_another_address', async () => {
  const { port } = new URL(system.simulator.page);
  const person = await system.person();
  const { page } = person;
  const mirror = `http://127.0.0.1:${port}`;
  await mirrored(person, mirror, (config) => ({ ...config, origin: mirror }));
  // It has an anchor of its own for its own address.
  await page.route(`${mirror}/anchor.json`, async (route) => {
    const response = await route.fetch({ url: `${system.simulator.page}/anchor.json` });
    await route.fulfill({ response, json: { ...(await response.json()), rp_id: '127.0.0.1' } });
  });
  // The look-alike even asks in the name of the true page.
  await page.route(`${mirror}/views/signup.js`, async (route) => {
    const response = await route.fetch({ url: `${system.simulator.page}/views/signup.js` });
    await route.fulfill({ response, body: (await response.text()).replaceAll('location.origin', JSON.stringify(system.simulator.page)) });
  });
  await page.goto(`${mirror}/#/create`);
  await person.button('Make a passkey').click();
  await person.failed('SecurityError');
  await person.leave();
});
