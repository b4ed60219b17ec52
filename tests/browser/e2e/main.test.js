// The main job in a real browser: a passkey signs with a key that lives in the enclave. Signatures
// are checked by viem; no code of ours is on the checking side.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { getAddress, hashMessage, hashTypedData, isAddress, recoverMessageAddress, recoverTypedDataAddress, verifyMessage } from 'viem';
import { parseSiweMessage, validateSiweMessage } from 'viem/siwe';
import { audit } from '../lib/audit.js';
import { scenario } from '../lib/person.js';
import { PERMIT } from '../lib/samples.js';
import { shared } from '../lib/system.js';

const system = shared();

scenario('s1_a_new_visitor_registers_by_passkey_and_gets_an_address', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open();
  await page.getByText('Development enclave: it protects nothing.').waitFor();
  await page.getByRole('link', { name: 'Create an account with a passkey' }).click();
  await page.getByLabel('Name of the account').fill('Grace');
  await person.button('Make a passkey').click();
  await person.approved();
  await page.getByRole('heading', { name: 'Your account is ready' }).waitFor();

  const download = page.waitForEvent('download');
  await person.button('Save receipt').click();
  const file = JSON.parse(await readFile(await (await download).path(), 'utf8'));
  assert.deepEqual(Object.keys(file).sort(), ['evidence', 'nonce', 'receipt', 'version']);
  assert.match(file.receipt.signature, /^[0-9a-f]{128}$/);

  await page.getByRole('link', { name: 'Go to your keys' }).click();
  const address = await person.address(0);
  assert.ok(isAddress(address, { strict: true }), address);
  assert.equal(getAddress(address), address);
  await page.getByText(`did:pkh:eip155:1:${address}`).waitFor();
  await page.getByText('Signed for by the enclave').waitFor();

  await person.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await person.button('Copy address').click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), address);

  // The credential that the enclave holds is discoverable and belongs to this origin.
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });
  assert.deepEqual(credentials.map(({ rpId, isResidentCredential }) => ({ rpId, isResidentCredential })), [{ rpId: 'localhost', isResidentCredential: true }]);
  await person.leave();
});

scenario('an_account_that_was_left_unconfirmed_is_confirmed_later', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open('create');
  await person.button('Make a passkey').click();
  await person.prompt();
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('heading', { name: /This will be your key/ }).waitFor();

  await person.open();
  await page.reload();
  await person.button('Sign in').click();
  await person.approved();
  await page.getByRole('heading', { name: 'This account is not confirmed yet' }).waitFor();
  await person.button('Confirm with passkey').click();
  await person.approved();
  await page.getByText('Signed for by the enclave').waitFor();
  const address = await person.address(0);
  await person.view('Sign');
  const { signature } = await person.sign('Text', 'at last');
  assert.equal(await recoverMessageAddress({ message: 'at last', signature }), address);
  await person.leave();
});

scenario('when_the_token_ends_the_page_says_so_and_a_new_sign_in_goes_on', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  await page.evaluate(() => {
    const session = JSON.parse(String(sessionStorage.getItem('openkey.session')));
    sessionStorage.setItem('openkey.session', JSON.stringify({ ...session, expiresAt: Date.now() + 3000 }));
  });
  await page.reload();
  await person.failed('session_ended');
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
  await person.approved();
  await page.getByRole('heading', { level: 1, name: 'Passkeys' }).waitFor();
  await page.locator('[data-passkey]').waitFor();
  await person.leave();
});

scenario('the_three_kinds_are_signed_and_viem_recovers_the_address', async () => {
  const { person, page, address } = await system.registered();
  await person.view('Sign');

  const text = 'Zwölf Boxkämpfer jagen Viktor\nquer über den großen Sylter Deich.';
  await person.ask('Text', text);
  await person.prompt();
  assert.equal(await page.locator('dialog pre').textContent(), text);
  assert.equal(await page.locator('#prompt-digest').textContent(), hashMessage(text));
  await person.approved();
  let signed = await person.signature();
  assert.equal(signed.address, address);
  assert.equal(signed.digest, hashMessage(text));
  assert.equal(await recoverMessageAddress({ message: text, signature: signed.signature }), address);

  await page.getByRole('radio', { name: 'Sign-in message' }).check();
  await page.getByText('Compose one').click();
  await page.getByLabel('Statement').fill('Open the garden gate.');
  await person.button('Put it in the field').click();
  const message = await page.locator('#payload').inputValue();
  await person.button('Show what would be signed').click();
  await person.prompt();
  await person.dialog().getByText('Open the garden gate.').first().waitFor();
  // Whoever gave it to the person, also in the name of this very page, nobody knows.
  const host = new URL(system.simulator.page).host;
  await person.dialog().getByText(`OpenKey cannot see which site asks. Sign only if you are at ${host} yourself and began this sign-in there.`).waitFor();
  assert.ok(await person.dialog().getByRole('button', { name: 'Approve with passkey' }).isDisabled());
  await person.dialog().getByRole('checkbox').check();
  await person.approved();
  signed = await person.signature();
  const siwe = parseSiweMessage(message);
  assert.ok(validateSiweMessage({ message: siwe, address, domain: new URL(system.simulator.page).host, nonce: String(siwe.nonce) }));
  assert.ok(await verifyMessage({ address, message, signature: signed.signature }));

  await page.getByRole('radio', { name: 'Typed data' }).check();
  await person.button('Put in a sample').click();
  const typed = JSON.parse(await page.locator('#payload').inputValue());
  await person.button('Show what would be signed').click();
  await person.prompt();
  assert.equal(await page.locator('#prompt-digest').textContent(), hashTypedData(typed));
  await person.approved();
  signed = await person.signature();
  assert.equal(await recoverTypedDataAddress({ ...typed, signature: signed.signature }), address);
  await person.leave();
});

scenario('a_message_about_a_signature_ends_when_another_prompt_opens', async () => {
  const { person, page, address } = await system.registered();
  await person.view('Sign');
  await person.sign('Text', 'the first');
  const status = page.locator('#status');
  await status.filter({ hasText: 'Signed.' }).waitFor();
  const panel = page.locator('[data-signed]');

  // The same is asked for again, and given up: what is shown is of this text.
  await person.button('Show what would be signed').click();
  await person.prompt();
  assert.equal(await status.innerText(), '');
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await person.dialog().waitFor({ state: 'detached' });
  await panel.getByText('This goes when you change what is to be signed.').waitFor();
  assert.equal(await status.innerText(), '');

  // Something else, and dangerous: of the first signature is nothing left that could be taken for it.
  await person.sign('Text', 'the second');
  await status.filter({ hasText: 'Signed.' }).waitFor();
  await person.ask('Typed data', JSON.stringify({ ...PERMIT, message: { ...PERMIT.message, owner: address } }));
  await person.prompt();
  assert.equal(await status.innerText(), '');
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await person.dialog().waitFor({ state: 'detached' });
  assert.equal(await status.innerText(), '');
  assert.equal(await panel.count(), 0);
  await person.leave();
});

scenario('a_permit_is_flagged_and_needs_a_second_confirmation', async () => {
  const { person, page, address } = await system.registered();
  await person.view('Sign');
  const permit = { ...PERMIT, message: { ...PERMIT.message, owner: address } };
  await person.ask('Typed data', JSON.stringify(permit));
  await person.prompt();
  await person.dialog().getByText('Dangerous').first().waitFor();
  const approve = person.dialog().getByRole('button', { name: 'Approve with passkey' });
  assert.ok(await approve.isDisabled());
  await person.dialog().getByRole('checkbox').check();
  await person.approved();
  const { signature } = await person.signature();
  assert.equal(await recoverTypedDataAddress({ .../** @type {any} */ (permit), signature }), address);

  await page.locator('#payload').fill('{"types": {}}');
  await person.button('Show what would be signed').click();
  await person.failed('typed_data_refused');
  await person.dialog().getByRole('button', { name: 'Close' }).click();
  await person.leave();
});

scenario('s27_a_pasted_sign_in_for_another_site_names_it_and_needs_a_second_confirmation', async () => {
  const { person, page, address } = await system.registered();
  await person.view('Sign');
  await page.getByRole('radio', { name: 'Sign-in message' }).check();
  await page.getByText('Compose one').click();
  await page.getByLabel('Who asks (domain)').fill('bank.example');
  await page.getByLabel('Where (URI)').fill('https://bank.example/');
  await person.button('Put it in the field').click();
  const message = await page.locator('#payload').inputValue();
  await person.button('Show what would be signed').click();
  await person.prompt();
  await person.dialog().getByText('Dangerous').first().waitFor();
  await person.dialog().getByText('OpenKey cannot see which site asks. Sign only if you are at bank.example yourself and began this sign-in there.').waitFor();
  assert.ok(await person.dialog().getByRole('button', { name: 'Approve with passkey' }).isDisabled());
  // What is missing is said beside the button: the box may be out of sight.
  const hint = person.dialog().getByText('Read to the end and tick the box there to go on.');
  await hint.waitFor();
  await audit(page, 'sign-in-elsewhere');
  await person.dialog().getByRole('checkbox').check();
  assert.ok(await hint.isHidden());
  await person.approved();
  const { signature } = await person.signature();
  assert.ok(await verifyMessage({ address, message, signature }));
  await person.leave();
});

scenario('s7_a_second_passkey_is_added_with_approval_renamed_and_removed_but_never_the_last', async () => {
  const { person, page, address } = await system.registered();
  await person.view('Passkeys');
  assert.ok(await page.getByRole('button', { name: /^Remove .*the last one/ }).isDisabled());

  // The new passkey is made on a security key; the existing one approves.
  const second = await person.authenticator('usb');
  await person.touchOnly(second);
  await person.button('Add a passkey').click();
  await page.getByLabel('Name of the passkey').fill('Security key');
  await person.button('Make the passkey').click();
  await person.prompt();
  await person.dialog().getByText('Joins account').waitFor();
  await person.button('Use the new passkey').click();
  await person.dialog().getByText('Second of two').waitFor();
  await person.touchOnly(person.first);
  await person.approved();
  await page.getByRole('heading', { name: 'Security key' }).waitFor();
  assert.equal(await page.locator('[data-passkey]').count(), 2);

  await person.button('Rename Security key').click();
  await page.getByLabel('Name of the passkey').fill('Blue key');
  await person.button('Continue').click();
  await person.approved();
  await page.getByRole('heading', { name: 'Blue key' }).waitFor();

  // The new one approves, too.
  await person.touchOnly(second);
  await person.view('Sign');
  const { signature } = await person.sign('Text', 'with the second');
  assert.equal(await recoverMessageAddress({ message: 'with the second', signature }), address);

  await person.view('Passkeys');
  await person.touchOnly(person.first);
  await person.button('Remove Blue key').click();
  await person.approved();
  await page.getByText('This is your only passkey').waitFor();
  assert.equal(await page.locator('[data-passkey]').count(), 1);

  // The removed one signs nothing any more.
  await person.view('Sign');
  await person.ask('Text', 'with the removed one');
  await person.prompt();
  await person.touchOnly(second);
  await person.dialog().getByRole('button', { name: 'Approve with passkey' }).click();
  await person.failed('NotAllowedError');
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();

  // Asked past the page's disabled button, the enclave itself keeps the last one.
  const code = await page.evaluate(async () => {
    const session = JSON.parse(String(sessionStorage.getItem('openkey.session')));
    const load = (/** @type {string} */ path) => import(path);
    const [{ Api }, { fromHex, fromBase64 }, { decode }] = await Promise.all([load('/api.js'), load('/bytes.js'), load('/cbor.js')]);
    const api = new Api((await Api.config()).enclave);
    const said = async (/** @type {any} */ request) => decode((await api.send(request)).reply.answer.body).result;
    const { account } = (await said({ read: { token: fromBase64(session.token), head: null, query: 'account' } })).ok;
    const action = { remove_passkey: { passkey: account.passkeys[0].id } };
    const propose = { account: fromHex(session.account), user_handle: fromHex(session.userHandle), origin: location.origin, head: null, action };
    const asked = async (/** @type {any} */ token) => (await said({ propose: { ...propose, token } })).refused.code;
    return [await asked(fromBase64(session.token)), await asked(null)];
  });
  assert.deepEqual(code, ['last_passkey', 'sign_in_needed']);
  await person.leave();
});

scenario('e18_a_new_passkey_is_added_only_after_it_was_used', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  const second = await person.authenticator('usb');
  const make = async (/** @type {string} */ name) => {
    await person.touchOnly(second);
    await person.button('Add a passkey').click();
    await page.getByLabel('Name of the passkey').fill(name);
    await person.button('Make the passkey').click();
    await person.prompt();
  };

  // Only the old one is at hand: there is no way on, and the words say so.
  await make('Lost key');
  await person.dialog().getByText('Use the new passkey once, so that the enclave knows that you hold it.').waitFor();
  assert.equal(await person.button('Approve with passkey').count(), 0);
  await person.touchOnly(person.first);
  await person.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: second });
  person.authenticators.pop();
  await person.button('Use the new passkey').click();
  await person.failed('NotAllowedError');
  await person.button('Use the new passkey').waitFor();
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('The new passkey was not added').waitFor();
  assert.equal(await page.locator('[data-passkey]').count(), 1);
  await person.leave();
});

scenario('e18_a_cancelled_proof_or_approval_adds_nothing', async () => {
  const { person, page } = await system.registered();
  await person.view('Passkeys');
  const second = await person.authenticator('usb');
  await person.touchOnly(second);
  await person.button('Add a passkey').click();
  await page.getByLabel('Name of the passkey').fill('Security key');
  await person.button('Make the passkey').click();
  await person.prompt();
  // The person is not verified at the new passkey, as its authenticator says.
  await person.cdp.send('WebAuthn.setUserVerified', { authenticatorId: second, isUserVerified: false });
  await person.button('Use the new passkey').click();
  await person.failed('NotAllowedError');
  await person.cdp.send('WebAuthn.setUserVerified', { authenticatorId: second, isUserVerified: true });
  await person.button('Use the new passkey').click();
  await person.dialog().getByText('Second of two').waitFor();
  // Cancelled at the second step, nothing was added either.
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('The new passkey was not added').waitFor();
  assert.equal(await page.locator('[data-passkey]').count(), 1);
  await person.leave();
});

scenario('keys_are_created_labelled_archived_and_restored', async () => {
  const { person, page, address } = await system.registered();
  await person.button('Create a key').click();
  await page.getByLabel('Name of the key').fill('Travel');
  await person.button('Continue').click();
  await person.approved();
  const card = page.locator('[data-key="1"]');
  await card.getByText('Signed for by the enclave').waitFor();
  const second = await person.address(1);
  assert.notEqual(second, address);

  await person.button('Rename Travel').click();
  await page.getByLabel('Name of the key').fill('Holidays');
  await person.button('Continue').click();
  await person.approved();
  await card.getByRole('heading', { name: 'Holidays' }).waitFor();

  await card.getByRole('link', { name: 'Sign with Holidays' }).click();
  const { signature } = await person.sign('Text', 'sea');
  assert.equal(await recoverMessageAddress({ message: 'sea', signature }), second);

  await person.view('Keys');
  await person.button('Archive Holidays').click();
  await person.approved();
  await card.getByText('Archived', { exact: true }).waitFor();
  await person.view('Sign');
  assert.equal(await page.locator('select option').count(), 1);
  await person.view('Keys');
  await person.button('Restore Holidays').click();
  await person.approved();
  await person.button('Archive Holidays').waitFor();

  await person.view('History');
  const kinds = page.locator('[data-sequence] h2');
  await kinds.first().waitFor();
  assert.deepEqual((await kinds.allTextContents()).map((text) => text.trim()), ['Key restored', 'Key archived', 'Text signed', 'Key renamed', 'Key created', 'Account confirmed']);
  await page.locator('[data-sequence]', { hasText: 'Text signed' }).locator('summary').click();
  await page.getByText(signature).waitFor();
  await person.leave();
});

scenario('the_history_is_read_page_by_page', async () => {
  const { person, page } = await system.registered();
  await person.view('Sign');
  for (let i = 0; i < 21; i += 1) {
    await person.sign('Text', `note ${i}`);
    await page.locator('#payload').fill('');
  }
  await person.view('History');
  await page.getByText('20 shown.').waitFor();
  await person.button('Show more').click();
  await page.getByText('22 shown, that is all.').waitFor();
  const numbers = await page.locator('[data-sequence]').evaluateAll((all) => all.map((one) => Number(one.getAttribute('data-sequence'))));
  assert.deepEqual(numbers, Array.from({ length: 22 }, (_, i) => 22 - i));
  await person.leave();
});

scenario('signing_in_on_a_second_profile_shows_the_same_account', async () => {
  const { person, address } = await system.registered();
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.first });

  const other = await system.person();
  for (const credential of credentials) await other.cdp.send('WebAuthn.addCredential', { authenticatorId: other.first, credential });
  await other.open();
  await other.button('Sign in').click();
  await other.approved();
  await other.page.getByRole('heading', { level: 1, name: 'Keys' }).waitFor();
  // This browser never saw a receipt: the address is shown once the enclave has signed for it.
  await other.page.getByText('Signed for by the enclave').waitFor();
  assert.equal(await other.address(0), address);
  // It has nothing to compare with, and says what it took.
  const sight = other.page.getByText('This browser sees this account for the first time');
  await sight.waitFor();
  await other.page.getByText('one passkey').waitFor();
  // The sign-in itself is no news.
  await other.page.getByText(/newest decision before this sign-in “(?!Sign in)/).waitFor();

  await other.view('Sign');
  await sight.waitFor();
  await other.page.reload();
  await other.page.getByText(/newest decision before this sign-in “(?!Sign in)/).waitFor();
  await other.button('It is as I remember it').click();
  await sight.waitFor({ state: 'detached' });
  const { signature } = await other.sign('Text', 'from the other profile');
  assert.equal(await recoverMessageAddress({ message: 'from the other profile', signature }), address);

  // A reload keeps the session; signing out drops the token.
  await other.page.reload();
  await other.page.getByRole('heading', { level: 1, name: 'Sign', exact: true }).waitFor();
  await other.page.locator('select option').first().waitFor({ state: 'attached' });
  await other.view('History');
  await other.page.getByText(/shown, that is all/).waitFor();
  assert.equal(await sight.count(), 0, 'once compared, it is said no more');
  await other.button('Sign out').click();
  await other.page.getByRole('heading', { level: 1, name: /Your key/ }).waitFor();
  assert.equal(await other.page.evaluate(() => sessionStorage.getItem('openkey.session')), null);
  await other.open('history');
  await other.page.getByRole('heading', { name: 'Sign in to see this' }).waitFor();
  // From now on it compares.
  await other.open();
  await other.button('Sign in').click();
  await other.approved();
  await other.page.getByText('Signed for by the enclave').waitFor();
  assert.equal(await sight.count(), 0);

  await other.leave();
  await person.leave();
});

scenario('a_cancelled_prompt_signs_nothing_and_can_be_tried_again', async () => {
  const { person, page, address } = await system.registered();
  await person.view('Sign');

  // Closed by the person while the browser waits for a touch.
  await person.touchOnly(null);
  await person.ask('Text', 'maybe');
  await person.approve();
  await person.button('Waiting …').waitFor();
  await person.dialog().getByRole('button', { name: 'Cancel' }).click();
  await person.dialog().waitFor({ state: 'detached' });
  assert.equal(await page.locator('[data-signed]').count(), 0);

  // Refused by the authenticator: the person could not be verified.
  await person.touchOnly(person.first);
  await person.cdp.send('WebAuthn.setUserVerified', { authenticatorId: person.first, isUserVerified: false });
  await person.button('Show what would be signed').click();
  await person.approve();
  await person.failed('NotAllowedError');
  await person.cdp.send('WebAuthn.setUserVerified', { authenticatorId: person.first, isUserVerified: true });
  await person.dialog().getByRole('button', { name: 'Try again' }).click();
  await person.dialog().waitFor({ state: 'detached' });
  const { signature } = await person.signature();
  assert.equal(await recoverMessageAddress({ message: 'maybe', signature }), address);

  await person.view('History');
  await page.getByText('2 shown, that is all.').waitFor();
  await person.leave();
});

scenario('an_address_that_no_view_has_says_so_whether_or_not_somebody_is_signed_in', async () => {
  const { person, page } = await system.registered();
  const nowhere = page.getByRole('heading', { name: 'There is no such page' });
  await person.open('nonsense');
  await nowhere.waitFor();
  assert.equal(await page.getByText('Create an account').count(), 0);
  await page.getByRole('link', { name: 'Go to your keys' }).click();
  await nowhere.waitFor({ state: 'detached' });
  await person.address(0);
  await person.leave();

  const stranger = await system.person();
  await stranger.open('nonsense');
  await stranger.page.getByRole('heading', { name: 'There is no such page' }).waitFor();
  await stranger.page.getByRole('link', { name: 'Go to the start' }).click();
  await stranger.page.getByRole('link', { name: 'Create an account with a passkey' }).waitFor();
  await stranger.leave();
});

scenario('s45_anyone_asks_for_evidence_with_a_nonce_of_their_own', async () => {
  const person = await system.person();
  const { page } = person;
  await person.open('verify');
  // No release names a simulator: what a visitor is told to run is what works at one, in words that stay whole.
  const command = page.getByRole('region', { name: 'The command that checks the enclave' });
  await command.getByText('--policy').waitFor();
  assert.equal(await command.innerText(), `openkey-verify host ${system.simulator.page} --policy .openkey/policy.json`);
  await person.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await person.button('Copy the command that checks the enclave').click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await command.innerText());
  const nonce = '0123456789abcdef'.repeat(4);
  await page.getByRole('textbox', { name: 'Nonce' }).fill(nonce);
  await person.button('Get evidence and check it').click();
  await page.getByRole('heading', { name: 'This enclave answered' }).waitFor();
  await page.getByText(nonce).waitFor();
  for (const [index, value] of Object.entries(system.simulator.ready.enclaves[0]?.measurements ?? {})) {
    if (['0', '1', '2', '16'].includes(index)) await page.getByText(value, { exact: true }).first().waitFor();
  }
  const download = page.waitForEvent('download');
  await person.button('Save the document').click();
  const document = await readFile(await (await download).path());
  assert.ok(document.includes(Buffer.from(nonce, 'hex')));

  await page.getByRole('textbox', { name: 'Nonce' }).fill('abcd');
  await person.button('Get evidence and check it').click();
  await person.failed('nonce');
  await person.leave();
});
