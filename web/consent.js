// A consent from asking to effect: the enclave's signed prompt is checked against the exact bytes
// this page sent, then a passkey answers that prompt's challenge and no other.

import { fromHex, toHex } from './bytes.js';
import { asFailure, Failure, pageFailure } from './errors.js';
import { fateOf } from './fate.js';
import { BRIEFLY, patiently } from './patience.js';
import { entriesOf } from './released.js';
import { FINAL_AFTER } from './unsettled.js';
import { create, get } from './webauthn.js';

/** @import { App } from './state.js' */
/** @import { Action, Approved, Assertion, Bytes, KnownHead, PromptKind, Prompted } from './messages.js' */
/** @import { CheckedPrompt } from './verifier.js' */
/** @import { Vouched } from './visit.js' */

/** @typedef {{ account: string, userHandle: string }} Who an account and where its record is found, hex */

/** @typedef {{ id: Bytes, assertion: Assertion | null }} Possession the passkey that is to be added, and its answer to the prompt */

/**
 * @typedef {object} Prepared
 * @property {CheckedPrompt} prompt
 * @property {Prompted} prompted
 * @property {Assertion | null} assertion the one answer that this page has sent, or is about to send
 * @property {Possession | null} possession
 * @property {boolean} live whether the assertion has left this page, and nothing has proved what came of it
 * @property {number} until when it can count no longer, by this browser's clock
 * @property {Vouched} evidence of the enclave whose key signed the prompt
 */

/**
 * The kind of prompt that answers an action.
 * @param {Action} action
 * @returns {PromptKind}
 */
export function kindOf(action) {
  if ('sign' in action) {
    const { payload } = action.sign;
    if ('text' in payload) return 'sign_text';
    return 'typed_data' in payload ? 'sign_typed_data' : 'sign_siwe';
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
 * @param {AbortSignal} [signal] ends the browser's own dialog, and what would follow it
 * @param {() => void} [made] hears that the browser has made a passkey
 * @returns {Promise<Prepared>}
 */
export async function propose(app, { account, userHandle }, action, tell = () => {}, signal, made = () => {}) {
  await app.visit.ensure();
  const known = app.store.head(account);
  const proposal = { account: fromHex(account), user_handle: fromHex(userHandle), origin: location.origin, head: known, action };
  const expected = { kind: kindOf(action), account };
  /**
   * @template {'prompted' | 'new_passkey'} K
   * @param {K} kind
   */
  const asked = (kind) => {
    const ask = (/** @type {Bytes | null} */ token) => patiently(() => app.visit.ask({ propose: { ...proposal, token } }, kind), { tell, most: BRIEFLY });
    // The first use of an account names its receipt; everything else is for whoever is signed in.
    return 'confirm' in action ? ask(null) : app.withToken(account, ask);
  };
  if (!('add_passkey' in action)) return prepared(app, { ...(await asked('prompted')), asked: known }, expected);
  const { answer: begun } = await asked('new_passkey');
  tell('Your browser asks where to keep the new passkey.');
  const { credential } = await create(begun.options, signal);
  made();
  signal?.throwIfAborted();
  tell('The passkey exists. Asking the enclave what to approve.');
  const created = { passkey_created: { context: begun.context, credential } };
  const shown = await patiently(() => app.visit.ask(created, 'prompted'), { tell });
  const asks = await prepared(app, { ...shown, asked: null }, expected);
  return { ...asks, possession: { id: credential.id, assertion: null } };
}

/**
 * Asks for the prompt of a sign-in.
 * @param {App} app
 * @param {(step: string) => void} [tell] hears what happens, in words
 * @returns {Promise<Prepared>}
 */
export async function proposeSignIn(app, tell = () => {}) {
  await app.visit.ensure();
  const request = { sign_in: { origin: location.origin } };
  const asked = await patiently(() => app.visit.ask(request, 'prompted'), { tell, most: BRIEFLY });
  return prepared(app, { ...asked, asked: null }, { kind: 'sign_in', account: null });
}

/**
 * @param {App} app
 * @param {{ prompt: CheckedPrompt | null, answer: Prompted, at: number, evidence: Vouched, asked: KnownHead | null }} answered `asked`:
 *   the head that its call carried
 * @param {{ kind: PromptKind, account: string | null }} expected
 * @returns {Promise<Prepared>}
 */
async function prepared(app, { prompt, answer, at, evidence, asked }, expected) {
  if (prompt?.kind !== expected.kind || prompt.account !== expected.account) {
    throw pageFailure('prompt_action', 'The enclave’s prompt is about another action or account.');
  }
  // A prompt of an account shows where it stands.
  if (prompt.account !== null) await app.visit.hold({ asked, head: prompt.head, at }, prompt.account, tokenOf(app, prompt.account));
  if (prompt.key && prompt.account) app.proven(prompt.account, prompt.key.key, prompt.key.address);
  // The enclave's clock may differ from this one: what counts is how long the prompt lives.
  const until = Date.now() + (prompt.expires_at - prompt.issued_at) + FINAL_AFTER;
  return { prompt, prompted: answer, assertion: null, possession: null, live: false, until, evidence };
}

/**
 * Lets the new passkey answer the prompt that adds it, so that the enclave knows that somebody holds it.
 *
 * @param {App} app
 * @param {Prepared & { possession: Possession }} prepared
 * @param {{ signal?: AbortSignal, tell?: (step: string) => void }} [how]
 */
export async function prove(app, { prompt, prompted, possession }, { signal, tell = () => {} } = {}) {
  await app.visit.ensure();
  tell('Your browser asks for the new passkey.');
  possession.assertion = await get({ ...prompted.options, challenge: fromHex(prompt.challenge), allow: [possession.id] }, signal);
}

/**
 * Lets a passkey answer, and sends the approval. While the enclave is away the same approval is
 * sent again: its context outlives a restart. Calling this again after a failure sends the same answer
 * again, unless an enclave has proved that it never counts: no passkey answers a prompt twice while its
 * first answer can take effect. `signal` ends it until the approval is sent; from then on its outcome is
 * waited for.
 *
 * @param {App} app
 * @param {Prepared} prepared
 * @param {{ signal?: AbortSignal, confirmed?: boolean, tell?: (step: string) => void, sending?: () => void }} [how]
 *   `sending` hears that the approval goes out now
 * @returns {Promise<{ approved: Approved | null, who: Who | null }>} `approved` is null if an earlier
 *   sending took effect, as the account's history shows, and only its answer was lost; `who` is the account that answered
 */
export async function approve(app, prepared, { signal, confirmed = false, tell = () => {}, sending = () => {} } = {}) {
  const { prompt, prompted } = prepared;
  // While the prompt was read, another tab may have chosen a policy that refuses this enclave.
  await app.visit.ensure();
  signal?.throwIfAborted();
  if (!prepared.assertion) {
    tell('Your browser asks for your passkey.');
    prepared.assertion = await get({ ...prompted.options, challenge: fromHex(prompt.challenge) }, signal);
  }
  const handle = prompt.account === null ? handleOf(prepared.assertion) : null;
  if (handle === undefined) {
    prepared.assertion = null;
    throw noHandle();
  }
  if (handle !== null && app.store.isUnfinished(handle)) {
    prepared.assertion = null;
    throw new Failure('passkey', 'unfinished_sign_up', {
      title: 'This passkey was made for a sign-up that has not finished here',
      message: 'This browser has no receipt for it yet, so it cannot know whose account it opens.',
      advice: 'If another tab still waits for the receipt, keep this passkey and finish the sign-up there. Otherwise choose another passkey.',
      retry: true,
    });
  }
  // At a sign-in the passkey says whose it is: an account this browser knows must be that one.
  const account = prompt.account ?? app.store.account(handle ?? '');
  app.checkMemory();
  const asked = account === null ? null : app.store.head(account);
  const request = {
    approve: {
      context: prompted.context,
      assertion: prepared.assertion,
      possession: prepared.possession?.assertion ?? null,
      head: asked,
      confirmed: confirmed ? fromHex(prompt.digest) : null,
    },
  };
  // The browser may have given its answer in the moment in which the person went away.
  signal?.throwIfAborted();
  prepared.live = true;
  sending();
  tell('Your approval was sent. Waiting for the enclave’s answer.');
  try {
    const { answer, head, keys, at } = await patiently(() => app.visit.ask(request, 'approved'), { tell });
    // Before the head is kept: a sign-in that counts no longer has shown the account as well.
    if (head !== null && app.store.head(head.account) === null) app.store.openSight(head.account, prompt.digest);
    const { outcome } = answer;
    const token = typeof outcome !== 'string' && 'signed_in' in outcome ? outcome.signed_in.token : tokenOf(app, prompt.account);
    await app.visit.hold({ asked, head, at }, account, token);
    const of = head?.account ?? '';
    for (const { key, address } of keys) app.proven(of, key, address);
    if (handle !== null) app.store.keepAccount(handle, of);
    prepared.live = false;
    return { approved: answer, who: handle === null ? null : { account: of, userHandle: handle } };
  } catch (error) {
    const failure = asFailure(error);
    const fate = fateOf(failure, prepared.assertion, prompt.kind);
    if (failure.code === 'context_used' && failure.party === 'enclave' && (await settled(app, prompt))) {
      prepared.live = false;
      return { approved: null, who: null };
    }
    if (fate === 'never') {
      prepared.live = false;
      // The next try needs another answer.
      prepared.assertion = null;
      if (failure.code === 'possession_refused' && prepared.possession) prepared.possession.assertion = null;
    }
    throw error;
  }
}

/**
 * Whether a history that continues the known one has the decision. The refusal alone says only that some copy of the
 * account has it, and keeps no head: the next one could be without.
 * @param {App} app
 * @param {CheckedPrompt} prompt
 */
async function settled(app, prompt) {
  // Earlier approvals of the very same that nobody has settled: the entries may be theirs.
  const others = app.unsettled.live(prompt.account).filter(({ id, title }) => id !== prompt.challenge && title === prompt.summary.title);
  try {
    return (await entriesOf(app, prompt)).length > others.length;
  } catch {
    // Nobody has shown it.
    return false;
  }
}

/**
 * The read token, if it is this account's.
 * @param {App} app
 * @param {string | null} account hex
 */
function tokenOf(app, account) {
  return account !== null && app.session?.account === account ? app.session.token : null;
}

/**
 * @param {Assertion} assertion
 * @returns {string | undefined} hex
 */
function handleOf({ user_handle }) {
  return user_handle?.length === 16 ? toHex(user_handle) : undefined;
}

function noHandle() {
  return new Failure('passkey', 'no_user_handle', {
    title: 'This passkey does not say whose it is',
    message: 'A sign-in without a user name needs a passkey that was made here.',
    advice: 'Choose a passkey of this service.',
    retry: true,
  });
}
