// A host that keeps back, changes or invents the answer to an approval, while it holds the signature:
// the page never says that nothing was approved.

import assert from 'node:assert/strict';
import { audit } from '../lib/audit.js';
import { scenario } from '../lib/person.js';
import { honest, invented, relay } from '../lib/relay.js';
import { shared } from '../lib/system.js';

const system = shared();

/** @import { Person } from '../lib/person.js' */

/** Longer than an approval is sent again by itself. */
const PATIENT = 30_000;
const PROMISE = /nothing (was|is|of)|not (done|approved|added|confirmed)|never counts/i;

/** Waits for the words, and holds the whole dialog to them. @param {Person} person */
async function mayCount(person) {
  const shown = person.dialog().locator('[data-may-count]');
  await shown.waitFor({ timeout: PATIENT });
  assert.match(await shown.innerText(), /may have been approved: look at the history after \d\d:\d\d/);
  assert.doesNotMatch(await person.dialog().innerText(), PROMISE);
  assert.equal(await person.dialog().getByRole('button', { name: /passkey/i }).count(), 0, 'no second touch');
  // Advice to repeat it would say the contrary.
  assert.doesNotMatch(await shown.innerText(), /try again|begin again|start the step|create an account/i);
  return shown;
}

/** The approval that goes out, and what the enclave decides. @param {Person} person @param {(approve: any, said: any, whole: any) => any} answer */
async function intercepted(person, answer) {
  /** @type {any[]} */
  const decided = [];
  await relay(person.page, {
    reply: (said, request, whole) => {
      if (!request.approve) return undefined;
      decided.push(said);
      return answer(request.approve, said, whole);
    },
  });
  return decided;
}

scenario('e16_an_answer_that_never_comes_is_no_no', async () => {
  const person = await system.person();
  const { page } = person;
  await page.clock.install();
  await person.register();
  await person.view('Sign');
  let sent = 0;
  await page.route('**/api/v1/enclaves/*/request', async (route) => {
    if (!route.request().postDataBuffer()?.includes('assertion')) return route.continue();
    sent += 1;
    // The first arrives: from here on the host has a signature.
    if (sent === 1) await route.fetch();
    return route.abort('connectionreset');
  });
  await person.ask('Text', 'I agree to pay 100');
  await person.approve();
  await mayCount(person);
  await audit(page, 'unsettled');
  assert.ok(sent > 1);
  await person.dialog().getByRole('button', { name: 'Send it again' }).waitFor();

  // The prompt ends here; elsewhere a clock may be slower.
  const until = await page.evaluate(() => JSON.parse(String(sessionStorage.getItem('openkey.sent')))[0].until);
  await page.clock.pauseAt(until - 30_000);
  await person.dialog().getByText('(expired)').waitFor();
  const shown = await mayCount(person);
  await person.dialog().getByRole('button', { name: 'Ask again' }).waitFor();
  assert.match(await shown.innerText(), /If you approve a new prompt before, both may count/);
  await page.clock.pauseAt(until + 1000);
  await shown.getByText('its time is over').waitFor();
  assert.doesNotMatch(await person.dialog().innerText(), PROMISE);

  await page.unroute('**/api/v1/enclaves/*/request');
  await page.clock.setSystemTime(Date.now());
  await page.clock.resume();
  await person.button('Look at the history').click();
  await page.getByRole('heading', { level: 1, name: 'History' }).waitFor();
  await page.locator('[data-sequence]', { hasText: 'I agree to pay 100' }).waitFor();
  await person.leave();
});

/** @type {Record<string, (approve: any, said: any, whole: any, before: any) => any>} */
const LIES = {
  garbage: () => ({ reply: {} }),
  'an older answer': (_, __, ___, before) => ({ reply: before }),
  'a tampered answer': (_, __, whole) => {
    whole.answer.signature[3] ^= 1;
    return { reply: whole };
  },
  'an invented refusal': () => invented('context_expired'),
  'an invented refusal that settles': () => invented('assertion_refused'),
};

scenario('e16_an_answer_that_the_host_made_settles_nothing', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  let last = '';
  for (const [name, lie] of Object.entries(LIES)) {
    /** @type {any} */
    let before = null;
    await honest(page);
    await relay(page, {
      reply: (said, request, whole) => {
        if (!request.approve) {
          before = whole;
          return undefined;
        }
        assert.ok(said.ok?.approved?.outcome?.signature, `${name}: the host holds the signature`);
        return lie(request.approve, said, whole, before);
      },
    });
    await person.ask('Text', `pay ${name}`);
    await person.prompt();
    assert.equal(await person.dialog().getByText('An earlier approval can still count').count(), last ? 1 : 0);
    await person.approve();
    await mayCount(person);
    if (last === '') await audit(page, 'unsettled-lie');
    last = name;
    await person.dialog().getByRole('button', { name: 'Close' }).click();
    await page.locator('#status').filter({ hasText: 'may have been approved. Look at the history after' }).waitFor();
  }

  // The host's own refusals, with words of its choice.
  for (const status of [400, 403, 500]) {
    await honest(page);
    await page.route('**/api/v1/enclaves/*/request', async (route) => {
      if (!route.request().postDataBuffer()?.includes('assertion')) return route.continue();
      await route.fetch();
      return route.fulfill({ status, json: { code: 'Nothing was approved.', message: 'Nothing was approved.', advice: 'Approve it again.' } });
    });
    await person.ask('Text', `pay by ${status}`);
    await person.approve();
    await mayCount(person);
    await person.dialog().getByRole('button', { name: 'Close' }).click();
    await page.unroute('**/api/v1/enclaves/*/request');
  }

  // In another page of this tab as well.
  await page.reload();
  await person.ask('Text', 'another');
  await person.prompt();
  await person.dialog().getByText('An earlier approval can still count').waitFor();
  assert.match(await person.dialog().innerText(), /both may count/);
  await audit(page, 'earlier-approval');
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await person.leave();
});

scenario('e16_the_same_answer_sent_again_finds_what_came_of_it', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  const decided = await intercepted(person, () => invented('internal'));
  await person.ask('Text', 'once');
  await person.approve();
  await mayCount(person);
  await honest(page);
  const touches = await signCount(person);
  await person.dialog().getByRole('button', { name: 'Send it again' }).click();
  const { signature } = await person.signature();
  assert.equal(signature, `0x${Buffer.from(decided[0].ok.approved.outcome.signature.signature).toString('hex')}`);
  assert.equal(await signCount(person), touches, 'no second touch');
  // It is settled: nothing is said in front of the next one.
  await person.ask('Text', 'twice');
  await person.prompt();
  assert.equal(await person.dialog().getByText('An earlier approval').count(), 0);
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await person.leave();
});

/** How often the passkey has answered. @param {Person} person */
async function signCount(person) {
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  return credentials[0]?.signCount;
}

for (const [fault, code] of Object.entries({ 'store-hide': 'rolled_back', 'store-error': 'unavailable' })) {
  scenario(`e16_a_signed_refusal_over_a_store_of_the_host_settles_nothing: ${fault}`, async () => {
    const { person, page } = await system.registered();
    await person.view('Sign');
    await person.ask('Text', 'I agree to pay 100');
    await person.prompt();
    /** @type {Buffer | null} */
    let bytes = null;
    /** @type {any} */
    const refusals = [];
    await relay(page, { reply: (said, request) => void (request.approve && refusals.push(said.refused?.code)) });
    page.on('request', (request) => {
      if (request.postDataBuffer()?.includes('assertion')) bytes = request.postDataBuffer();
    });
    await system.simulator.fault(`${fault}=always`);
    try {
      await person.approve();
      const shown = await mayCount(person);
      assert.equal(await shown.locator('code').textContent(), code);
    } finally {
      await system.simulator.fault(null);
    }
    assert.ok(refusals.length > 0 && refusals.every((/** @type {string} */ one) => one === code), refusals.join());
    // The host shows the true store and sends the same bytes once more.
    const { decode } = await import('../../../web/cbor.js');
    const url = `${system.simulator.page}/api/v1/enclaves/${system.simulator.ready.enclaves[0]?.id}/request`;
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/cbor' }, body: bytes });
    const { answer } = /** @type {any} */ (decode(new Uint8Array(await response.arrayBuffer())));
    assert.ok(/** @type {any} */ (decode(answer.body)).result.ok?.approved?.outcome?.signature, 'the approval took effect');
    await person.button('Look at the history').click();
    await page.locator('[data-sequence]', { hasText: 'I agree to pay 100' }).waitFor();
    await person.leave();
  });
}

scenario('e16_a_passkey_that_may_have_been_added_is_not_called_useless', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  const second = await person.authenticator('usb');
  await person.touchOnly(second);
  await person.button('Add a passkey').click();
  await page.getByLabel('Name of the passkey').fill('Security key');
  await person.button('Make the passkey').click();
  await person.prompt();
  await person.button('Use the new passkey').click();
  await person.dialog().getByText('Second of two').waitFor();
  await person.touchOnly(person.first);
  await intercepted(person, () => invented('possession_refused'));
  await person.approve();
  await mayCount(person);
  await person.dialog().getByRole('button', { name: 'Close' }).click();
  await person.dialog().waitFor({ state: 'detached' });
  assert.equal(await page.getByText('The new passkey was not added').count(), 0);
  await page.locator('#status').filter({ hasText: 'may have been approved' }).waitFor();
  await honest(page);
  await person.view('Keys');
  await person.view('Passkeys');
  await page.getByRole('heading', { name: 'Security key' }).waitFor();
  await person.leave();
});

scenario('e16_a_passkey_whose_prompt_never_came_is_named_as_left_over', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  await person.touchOnly(await person.authenticator('usb'));
  await relay(page, { reply: (_, request) => request.passkey_created && { reply: {} } });
  await person.button('Add a passkey').click();
  await page.getByLabel('Name of the passkey').fill('Security key');
  await person.button('Make the passkey').click();
  await person.failed('malformed_reply');
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('The new passkey was not added').waitFor();
  await person.leave();
});

scenario('e16_a_sign_up_and_its_confirmation_say_what_may_exist', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open('create');
  await relay(page, { reply: (_, request) => request.sign_up_finish && { reply: {} } });
  await person.button('Make a passkey').click();
  await person.failed('malformed_reply');
  await page.getByText('An account may exist with it').waitFor();
  assert.doesNotMatch(await page.getByRole('main').innerText(), PROMISE);
  await audit(page, 'create-may-exist');

  await honest(page);
  await intercepted(person, () => ({ reply: {} }));
  await person.button('Make a passkey').click();
  await person.approve();
  await mayCount(person);
  await person.dialog().getByRole('button', { name: 'Close' }).click();
  await page.getByRole('main').getByText('An earlier approval can still count').waitFor();
  // The touch that is offered next says that both may count.
  await honest(page);
  await person.button('Confirm with passkey').click();
  await person.dialog().getByRole('alert').filter({ hasText: 'already_confirmed' }).waitFor();
  await person.dialog().getByRole('button', { name: 'Close' }).click();
  await person.leave();
});

scenario('e16_a_sign_in_that_may_have_counted_says_so_before_the_next', async () => {
  const { person, page } = await system.registered();
  await person.button('Sign out').click();
  await intercepted(person, () => ({ reply: {} }));
  await person.button('Sign in').first().click();
  await person.approve();
  // There is no history that somebody could see before the next sign-in.
  const shown = person.dialog().locator('[data-may-count]');
  await shown.getByText('It is not known whether this sign-in was accepted').waitFor({ timeout: PATIENT });
  assert.match(await shown.innerText(), /This browser is not signed in.*Once you are signed in, the history lists after \d\d:\d\d/);
  assert.doesNotMatch(await person.dialog().innerText(), PROMISE);
  assert.equal(await person.dialog().getByRole('button', { name: /passkey|history/i }).count(), 0);
  await person.dialog().getByRole('button', { name: 'Close' }).click();
  await page.locator('#status').filter({ hasText: 'This browser is not signed in.' }).waitFor();
  await honest(page);
  await person.button('Sign in').first().click();
  await person.prompt();
  await person.dialog().getByText('both may count').waitFor();
  await person.approved();
  await person.view('History');
  await page.getByText('3 shown, that is all.').waitFor();
  await person.leave();
});

/** An older copy of the passkey: its counter is behind what the enclave saw. @param {Person} person */
async function olderCopy(person) {
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  for (const credential of credentials) {
    await person.cdp.send('WebAuthn.removeCredential', { authenticatorId: person.first, credentialId: credential.credentialId });
    await person.cdp.send('WebAuthn.addCredential', { authenticatorId: person.first, credential: { ...credential, signCount: 0 } });
  }
}

scenario('a_sign_in_whose_passkey_the_enclave_refuses_says_that_and_no_more', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  await person.sign('Text', 'the counter goes on');
  await person.button('Sign out').click();
  await olderCopy(person);
  await person.button('Sign in').first().click();
  await person.approve();
  const alert = person.dialog().getByRole('alert');
  await alert.waitFor();
  const said = await alert.innerText();
  assert.match(said, /^The enclave refused the passkey’s answer/);
  assert.match(said, /counter went back.*older copy: use another passkey/s);
  assert.match(said, /assertion_refused/);
  assert.doesNotMatch(await person.dialog().innerText(), /may have been (approved|accepted)|may still|not known|look at the history/i);
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  // It is settled: the next sign-in is not called a second one.
  assert.equal(await page.locator('#status').innerText(), '');
  await person.button('Sign in').first().click();
  await person.prompt();
  assert.equal(await person.dialog().getByText('An earlier approval').count(), 0);
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await person.leave();
});

scenario('a_signature_whose_passkey_the_enclave_refuses_says_that_first', async () => {
  const { person } = await system.registered();
  await person.view('Sign');
  await person.sign('Text', 'the counter goes on');
  await olderCopy(person);
  await person.ask('Text', 'with an older copy');
  await person.approve();
  // Another copy of the records may have a lower counter, so the history has the last word.
  const shown = await mayCount(person);
  const said = await shown.innerText();
  assert.match(said, /^The enclave refused the passkey’s answer/);
  assert.match(said, /counter went back.*older copy: use another passkey.*may have been approved/s);
  await person.dialog().getByRole('button', { name: 'Close' }).click();
  await person.leave();
});
