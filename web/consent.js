// A consent from asking to effect: the enclave's signed prompt is checked against the exact bytes
// this page sent, then a passkey answers that prompt's challenge and no other.

import { equal, fromHex, random, toHex } from './bytes.js';
import { Failure, pageFailure } from './errors.js';
import { BRIEFLY, patiently } from './patience.js';
import { create, get } from './webauthn.js';

/** @import { App } from './state.js' */
/** @import { Action, Approved, Assertion, Bytes, PromptKind, Prompted } from './messages.js' */
/** @import { CheckedPrompt } from './verifier.js' */

/** @typedef {{ account: string, userHandle: string }} Who an account and where its record is found, hex */

/** @typedef {{ prompt: CheckedPrompt, prompted: Prompted, assertion: Assertion | null, sent: boolean }} Prepared */

/**
 * The kind of prompt that answers an action.
 * @param {Action} action
 * @returns {PromptKind}
 */
export function kindOf(action) {
  if ('sign' in action) {
    const { payload } = action.sign;
    if ('text' in payload) return 'sign_text';
    return 'siwe' in payload ? 'sign_siwe' : 'sign_typed_data';
  }
  return /** @type {PromptKind} */ (Object.keys(action)[0]);
}

/**
 * Asks for the prompt of an action. Adding a passkey first lets the browser make one.
 *
 * @param {App} app
 * @param {Who} who
 * @param {Action} action
 * @param {(step: string) => void} [tell] hears what happens, in words
 * @returns {Promise<Prepared>}
 */
export async function propose(app, { account, userHandle }, action, tell = () => {}) {
  await app.visit.ensure();
  const nonce = random(32);
  const origin = location.origin;
  const request = { propose: { account: fromHex(account), user_handle: fromHex(userHandle), origin, nonce, head: app.store.head(account), action } };
  const expected = { kind: kindOf(action), account, nonce };
  const how = { tell, most: BRIEFLY };
  if (!('add_passkey' in action)) {
    const { sent, answer } = await patiently(() => app.api.send(request, 'prompted'), how);
    return checked(app, sent, answer, expected);
  }
  const { answer: begun } = await patiently(() => app.api.send(request, 'new_passkey'), how);
  tell('Your browser asks where to keep the new passkey.');
  const { credential } = await create(begun.options);
  tell('The passkey exists. Asking the enclave what to approve.');
  const created = { passkey_created: { context: begun.context, credential } };
  const { sent, answer } = await patiently(() => app.api.send(created, 'prompted'), { tell });
  return checked(app, sent, answer, expected);
}

/**
 * Asks for the prompt of a sign-in.
 * @param {App} app
 * @returns {Promise<Prepared>}
 */
export async function proposeSignIn(app) {
  await app.visit.ensure();
  const nonce = random(32);
  const request = { sign_in: { origin: location.origin, nonce } };
  const { sent, answer } = await patiently(() => app.api.send(request, 'prompted'), { most: BRIEFLY });
  return checked(app, sent, answer, { kind: 'sign_in', account: null, nonce });
}

/**
 * @param {App} app
 * @param {Bytes} sent
 * @param {Prompted} prompted
 * @param {{ kind: PromptKind, account: string | null, nonce: Bytes }} expected
 * @returns {Promise<Prepared>}
 */
async function checked(app, sent, prompted, expected) {
  const prompt = await app.visit.checkPrompt(prompted.prompt, {
    request: sent,
    nonce: expected.nonce,
    origin: location.origin,
  });
  if (prompt.kind !== expected.kind || prompt.account !== expected.account) {
    throw pageFailure('prompt_action', 'The enclave’s prompt is about another action or account.');
  }
  // The options around the prompt are unsigned: only the challenge inside it may be answered.
  if (!equal(fromHex(prompt.challenge), prompted.options.challenge)) {
    throw pageFailure('prompt_challenge', 'The challenge for the passkey is not the one in the enclave’s prompt.');
  }
  if (prompt.key && prompt.account) app.proven(prompt.account, prompt.key.key, prompt.key.address);
  return { prompt, prompted, assertion: null, sent: false };
}

/**
 * Lets a passkey answer, and sends the approval. While the enclave is away the same approval is
 * sent again: its context outlives a restart. Calling this again after a failure goes on where it
 * stopped.
 *
 * @param {App} app
 * @param {Prepared} prepared
 * @param {{ signal?: AbortSignal, confirmed?: boolean, tell?: (step: string) => void }} [how]
 * @returns {Promise<{ approved: Approved | null, who: Who | null }>} `approved` is null if an earlier
 *   sending took effect and only its answer was lost; `who` is the account that answered
 */
export async function approve(app, prepared, { signal, confirmed = false, tell = () => {} } = {}) {
  const { prompt, prompted } = prepared;
  // While the prompt was read, another tab may have chosen a policy that refuses this enclave.
  await app.visit.ensure();
  if (!prepared.assertion) {
    tell('Your browser asks for your passkey.');
    prepared.assertion = await get({ ...prompted.options, challenge: fromHex(prompt.challenge) }, signal);
  }
  const handle = prompt.account === null ? handleOf(prepared.assertion) : null;
  // At a sign-in the passkey says whose it is: an account this browser knows must be that one.
  const account = prompt.account ?? app.store.account(handle ?? '');
  const request = {
    approve: {
      context: prompted.context,
      assertion: prepared.assertion,
      head: account === null ? null : app.store.head(account),
      confirmed: confirmed ? fromHex(prompt.digest) : null,
    },
  };
  const how = {
    signal,
    tell,
    lost: () => {
      prepared.sent = true;
    },
  };
  tell('The enclave checks your approval.');
  try {
    const { answer } = await patiently(() => app.api.send(request, 'approved'), how);
    prepared.sent = true;
    const head = await app.visit.checkHead(answer.head, account);
    if (handle !== null) app.store.keepAccount(handle, head.account);
    return { approved: answer, who: handle === null ? null : { account: head.account, userHandle: handle } };
  } catch (error) {
    if (!(error instanceof Failure) || error.party !== 'enclave') throw error;
    if (error.code === 'context_used' && prepared.sent) return { approved: null, who: null };
    // The enclave judged this answer: the next try needs another one.
    if (!error.retry || error.code === 'assertion_refused') prepared.assertion = null;
    throw error;
  }
}

/**
 * Lets the enclave sign for each address this browser has no proof of: it asks for the prompt of a
 * text, which names key and address under the enclave's signature, and approves nothing.
 *
 * @param {App} app
 * @param {AbortSignal} signal
 */
export async function prove(app, signal) {
  const { account: view, session } = app;
  if (!view?.confirmed || !session) return;
  const text = 'What is the address of this key? (asked for the prompt only, never approved)';
  for (const key of view.keys) {
    if (signal.aborted) return;
    if (key.archived_at !== null || app.addressOf(key.key) !== null) continue;
    await propose(app, session, { sign: { key: key.key, payload: { text } } });
    app.dispatchEvent(new Event('account'));
  }
}

/** @param {Assertion} assertion */
function handleOf(assertion) {
  if (!assertion.user_handle || assertion.user_handle.length !== 16) {
    throw new Failure('passkey', 'no_user_handle', {
      title: 'This passkey does not say whose it is',
      message: 'A sign-in without a user name needs a passkey that was made here.',
      advice: 'Choose a passkey of this service.',
      retry: true,
    });
  }
  return toHex(assertion.user_handle);
}
