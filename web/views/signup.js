// A new account: evidence first, then a passkey, then the receipt checked against this very
// authenticator, then one assertion that confirms it.

import { fromHex, toBase64, toHex } from '../bytes.js';
import { propose } from '../consent.js';
import { fill, h, icon } from '../dom.js';
import { asFailure, pageFailure } from '../errors.js';
import { patiently } from '../patience.js';
import { waits } from '../standing.js';
import { busy, fail, failureNotice, field, heading, hush, notice, say } from '../ui.js';
import { create } from '../webauthn.js';
import { addressFacts, saveReceipt } from './address.js';
import { ask } from './prompt.js';
import { rememberedNotice } from './remembered.js';
import { TOO_LATE } from './signin.js';
import { earlier } from './unsettled.js';
import { awaitsOperators } from './waiting.js';

/** @import { Bytes, CreationStarted, NewCredential } from '../messages.js' */
/** @import { App } from '../state.js' */
/** @import { CheckedReceipt } from '../verifier.js' */
/** @import { KeptReceipt } from '../store.js' */

const STEPS = [
  ['Check the enclave', 'fresh evidence, verified in this browser'],
  ['Make a passkey', 'your browser asks where to keep it'],
  ['Check the receipt', 'signed by the enclave, compared with your authenticator'],
  ['Confirm', 'one touch, and the key is yours'],
];

/** @typedef {{ receipt: CheckedReceipt, kept: KeptReceipt, remembered: boolean }} Made */

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function signUp(app, signal) {
  const name = h('input', { type: 'text', value: 'My OpenKey account', maxlength: 64, required: true, autocomplete: 'off' });
  app.drafts.bind('account-name', name);
  const submit = h('button', { type: 'submit', class: 'primary wide-on-phone' }, icon('passkey'), h('span', {}, 'Make a passkey'));
  const status = h('p', { class: 'quiet', role: 'status' });
  const place = h('div', {});
  const steps = h('ol', { class: 'steps' });
  const card = h('section', { class: 'card stack' });
  /** @param {number} now the step under way; later than the last when all are done */
  const step = (now) =>
    fill(
      steps,
      STEPS.map(([title, text], i) =>
        h('li', { 'data-state': i < now ? 'done' : i === now ? 'now' : null, 'aria-current': i === now ? 'step' : null }, h('strong', {}, title), h('br'), h('span', { class: 'quiet' }, text)),
      ),
    );
  const form = h(
    'form',
    {
      class: 'stack',
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        busy(submit, async () => {
          fail(place, null);
          try {
            const made = await registerAgain(app, name.value.trim(), step, (text) => {
              status.textContent = text;
            }, signal);
            status.textContent = '';
            if (signal.aborted) {
              say('The account was made, and is not confirmed. Sign in with its passkey to confirm it.', { lasts: true });
              return;
            }
            step(3);
            made_(made);
          } catch (error) {
            status.textContent = '';
            // No step is under way any more: it begins anew.
            step(app.visit.current ? 1 : 0);
            if (signal.aborted) return;
            if (error instanceof Unfinished) {
              hush();
              fill(place, h('div', { class: 'stack' }, failureNotice(error.cause), mayExist()));
              place.scrollIntoView({ block: 'nearest' });
            } else fail(place, error);
            submit.focus();
          }
        });
      },
    },
    field('Name of the account', name, 'Your authenticator shows it beside the passkey. It is stored sealed; nobody needs to know it.'),
    submit,
    status,
    place,
  );
  const waiting = h('div', {});
  const draw = () => {
    const none = waits(app.visit);
    // A sign-up under way goes on, and its own words say what comes of it.
    submit.hidden = none && submit.getAttribute('aria-busy') !== 'true';
    fill(waiting, submit.hidden && awaitsOperators());
  };
  app.visit.addEventListener('change', draw, { signal });
  draw();

  /** @param {Made} made */
  const made_ = (made) => {
    const confirm = h('button', { type: 'button', class: 'primary wide-on-phone' }, icon('passkey'), 'Confirm with passkey');
    const open = () =>
      confirmReceipt(app, made, signal).then(
        (done) => (done ? finished(made) : fill(place, earlier(app, made.receipt.account))),
        (error) => fail(place, error),
      );
    confirm.addEventListener('click', open);
    const title = h('h2', { tabindex: -1 }, 'The receipt holds. This will be your key:');
    fill(
      card,
      title,
      notice('good', 'Checked in this browser', h('p', {}, 'The enclave signed this receipt, for the nonce of this visit, and the public key in it is the one your own authenticator just made.')),
      addressFacts(made.receipt.keys[0]?.address ?? ''),
      h('p', { class: 'quiet' }, 'It signs nothing until it is confirmed with the new passkey.'),
      h('div', { class: 'row' }, confirm, saveReceipt(made.receipt.account, made.kept)),
      place,
    );
    title.focus();
    open();
  };

  /** @param {Made} made */
  const finished = (made) => {
    app.drafts.drop('account-name');
    step(STEPS.length);
    const title = h('h2', { tabindex: -1 }, 'Your account is ready');
    fill(
      card,
      title,
      addressFacts(made.receipt.keys[0]?.address ?? ''),
      made.remembered && rememberedNotice(),
      notice('plain', 'Two things worth doing now', h('p', {}, 'Save the receipt: it proves which keys and passkeys the enclave holds for you. And add a second passkey on another device, so that losing one does not lose the account.')),
      h('div', { class: 'row' }, h('a', { class: 'button primary', href: '#/keys' }, 'Go to your keys'), saveReceipt(made.receipt.account, made.kept), h('a', { class: 'button', href: '#/passkeys' }, 'Add another passkey')),
    );
    title.focus();
    say('Your account is ready.');
  };

  step(app.visit.current ? 1 : 0);
  fill(card, waiting, form);
  return h('div', {}, heading('Create an account', 'No password, no e-mail. A passkey on this device or a security key is all it takes.'), h('div', { class: 'hero' }, card, steps));
}

/** A registration that failed after its passkey had left this page. */
class Unfinished extends Error {}

/** What nobody can know then. */
function mayExist() {
  return notice(
    'warn',
    'A passkey was made and sent',
    h('p', {}, 'An account may exist with it. Such an account signs nothing until its passkey confirms it, and this browser does not use it. Delete the passkey where your passkeys are kept before you begin again.'),
  );
}

/** How often a registration begins again by itself. */
const AGAIN = 2;

/**
 * Registers, and begins again if the enclave started anew, or another one answers, in between: a
 * registration is finished where it began.
 * @param {App} app
 * @param {string} name
 * @param {(now: number) => void} step
 * @param {(text: string) => void} tell
 * @param {AbortSignal} signal
 * @returns {Promise<Made>}
 */
async function registerAgain(app, name, step, tell, signal) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await register(app, name, step, tell, signal);
    } catch (error) {
      const failure = asFailure(error instanceof Unfinished ? error.cause : error);
      // Only on the enclave's own word: the host must not have people make one passkey after another.
      if (attempt >= AGAIN || failure.party !== 'enclave' || failure.code !== 'begin_again') throw error;
      tell('The enclave started again in between. Beginning again with a new passkey; delete the one just made.');
    }
  }
}

/**
 * Registration up to a receipt that holds.
 * @param {App} app
 * @param {string} name
 * @param {(now: number) => void} step
 * @param {(text: string) => void} tell
 * @param {AbortSignal} signal ends it, until the passkey exists
 * @returns {Promise<Made>}
 */
async function register(app, name, step, tell, signal) {
  step(0);
  tell('Asking the enclave for evidence …');
  await app.visit.ensure();
  step(1);
  const { answer: started, nonce } = await app.visit.ask({ sign_up: { origin: location.origin, name } }, 'sign_up_started');
  tell('Your browser asks where to keep the passkey.');
  const { credential, spki } = await create(started.options, signal);
  // Until a receipt holds, this passkey opens nothing here: whoever carried the registration may have
  // finished it for themselves.
  app.store.beginAccount(toHex(started.options.user_id));
  step(2);
  /** @type {Awaited<ReturnType<typeof receiptOf>>} */
  let given;
  try {
    given = await receiptOf(app, { started, nonce, credential, spki }, tell);
  } catch (cause) {
    throw new Unfinished('the passkey was sent', { cause });
  }
  return keep(app, given);
}

/**
 * From a new passkey to a receipt that holds.
 * @param {App} app
 * @param {{ started: CreationStarted, nonce: Bytes, credential: NewCredential, spki: Bytes }} begun
 * @param {(text: string) => void} tell
 */
async function receiptOf(app, { started, nonce, credential, spki }, tell) {
  tell('Your passkey was sent. Waiting for the enclave’s receipt …');
  // Account and key follow from the new passkey: sending it twice makes one.
  const { answer, head, at } = await patiently(() => app.visit.ask({ sign_up_finish: { context: started.context, credential } }, 'signed_up'), { tell });
  const { evidence, ...receipt } = await app.visit.checkReceipt(answer.receipt, { nonce, credential: credential.id, spki });
  if (receipt.user_handle !== toHex(started.options.user_id) || receipt.rp_id !== started.options.rp_id) {
    throw pageFailure('receipt_account', 'The receipt is for another account than the passkey was made for.');
  }
  if (evidence.anchored && receipt.rp_id !== evidence.anchored.anchor.rp_id) {
    throw pageFailure('receipt_rp_id', 'The receipt is for another relying party than this page’s anchor names.');
  }
  return { receipt, signed: answer.receipt, evidence, head, at };
}

/**
 * Keeps what a receipt that holds says. From here on the passkey opens an account that this browser knows, whatever
 * else fails: nothing says to delete it.
 * @param {App} app
 * @param {Awaited<ReturnType<typeof receiptOf>>} given
 * @returns {Promise<Made>}
 */
async function keep(app, { receipt, signed, evidence, head, at }) {
  app.store.keepAccount(receipt.user_handle, receipt.account);
  /** @type {KeptReceipt} */
  const kept = {
    hash: receipt.hash,
    file: {
      version: 1,
      receipt: { body: toHex(signed.body), signature: toHex(signed.signature) },
      evidence: toBase64(evidence.document),
      nonce: toHex(evidence.nonce),
    },
  };
  app.store.keepReceipt(receipt.account, kept);
  await app.visit.hold({ asked: null, head, at }, receipt.account, null);
  for (const key of receipt.keys) app.proven(receipt.account, key.key, key.address);
  return { receipt, kept, remembered: app.visit.remember() };
}

/**
 * @param {App} app
 * @param {Made} made
 * @param {AbortSignal} signal
 * @returns {Promise<boolean>} whether it is confirmed
 */
async function confirmReceipt(app, { receipt }, signal) {
  const who = { account: receipt.account, userHandle: receipt.user_handle };
  const result = await ask(app, 'Confirm your account', () => propose(app, who, { confirm: { receipt: fromHex(receipt.hash) } }), { signal, global: true });
  if (!result) return false;
  const outcome = result.approved?.outcome;
  // Nothing else confirms it: no refusal, whoever signed it.
  if (!outcome || typeof outcome === 'string' || !('signed_in' in outcome)) return false;
  const { token, expires_at } = outcome.signed_in;
  const isIn = app.signIn({ ...who, token, expiresAt: expires_at, name: '' }, result.began);
  if (!isIn) say(TOO_LATE, { lasts: true });
  return isIn;
}
