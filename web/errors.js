// Every failure a person can meet: which rule, what happened, what to do.

import { foreign } from './words.js';

/** @typedef {'enclave' | 'host' | 'network' | 'passkey' | 'evidence' | 'page' | 'node'} Party who refused */

/** A failure in words for a person. */
export class Failure extends Error {
  /**
   * @param {Party} party
   * @param {string} code stable name of the rule
   * @param {{ title: string, message: string, advice: string, retry?: boolean, cause?: unknown }} words
   */
  constructor(party, code, words) {
    super(words.message, { cause: words.cause });
    this.name = 'Failure';
    this.party = party;
    this.code = code;
    this.title = words.title;
    this.advice = words.advice;
    /** Whether the same step may simply be tried again. */
    this.retry = words.retry ?? false;
  }
}

/**
 * What each refusal of an enclave means here. The enclave's own message and advice follow the title.
 * @type {Record<string, { title: string, advice: string, retry?: boolean }>}
 */
const ENCLAVE = {
  malformed: { title: 'The enclave could not read the request', advice: 'Reload the page: it may be older than the enclave.' },
  wrong_class: { title: 'The request took the wrong way', advice: 'Reload the page. If it happens again, the host in between changes requests.' },
  out_of_bounds: { title: 'Something is too long or too short', advice: 'Shorten the text or the name and try again.' },
  wrong_origin: { title: 'This page is not at its own address', advice: 'Open the page at the address the operator announced.' },
  unknown_account: { title: 'The enclave was shown no such account', advice: 'The host’s storage decides what the enclave is shown. If you have used this account, do not create another because of this: tell the operator. If you never have, use another passkey of this service, or create an account.' },
  forked: { title: 'The service shows another history of your account', advice: 'The host’s storage shows another version of your account than this browser knows, or kept a decision back until now. Do not sign anything; tell the operator.' },
  rolled_back: { title: 'The service shows an older state of your account', advice: 'The host’s storage returned an older record than this browser or the enclave has seen. Do not sign anything; tell the operator.' },
  record_corrupt: { title: 'Your account’s record does not open', advice: 'The host’s storage changed the record. Tell the operator.' },
  unknown_passkey: { title: 'No such passkey in this account', advice: 'It may have been removed on another device: use another passkey, or refresh the list.' },
  unknown_key: { title: 'No such key in this account', advice: 'Refresh the list of keys.' },
  key_archived: { title: 'This key is archived', advice: 'Restore it under Keys before you sign with it.' },
  not_confirmed: { title: 'The account is not confirmed yet', advice: 'Finish creating the account with its passkey first.' },
  already_confirmed: { title: 'The account is confirmed already', advice: 'Sign in with its passkey.' },
  last_passkey: { title: 'The last passkey stays', advice: 'Add another passkey first, then remove this one.' },
  passkey_exists: { title: 'This passkey is registered already', advice: 'Use another device or security key for the new passkey.' },
  nothing_to_do: { title: 'Nothing would change', advice: 'It is already as you asked.' },
  sign_in_needed: { title: 'The account is for whoever is signed in', advice: 'Sign in with a passkey of the account, and ask again.' },
  context_invalid: { title: 'The enclave does not know this step', advice: 'Start the step again.' },
  context_expired: { title: 'Too much time has passed', advice: 'Start the step again; a prompt is good for two minutes.' },
  context_used: { title: 'This approval was used already', advice: 'Look at the history before you approve it again.' },
  begin_again: { title: 'The enclave started again in between', advice: 'Begin again with a new passkey. Delete the one just made.', retry: true },
  account_changed: { title: 'The account has changed meanwhile', advice: 'Start the step again to see a prompt of the present state.' },
  assertion_refused: { title: 'The enclave refused the passkey’s answer', advice: 'The passkey on this device may be an older copy: use another passkey of this account. Unlock it with fingerprint, face or PIN.', retry: true },
  credential_refused: { title: 'The enclave refused the new passkey', advice: 'Try again, or use another device for the passkey.' },
  possession_needed: { title: 'The new passkey has not answered', advice: 'Use the new passkey once, then approve with one that the account has.' },
  possession_refused: { title: 'The enclave refused the new passkey’s answer', advice: 'Use the very passkey that was just made, and unlock it with fingerprint, face or PIN.', retry: true },
  confirmation_needed: { title: 'A second confirmation is needed', advice: 'Read the warnings and tick the confirmation.' },
  siwe_refused: { title: 'This is not a valid sign-in message', advice: 'It looks like Sign-In with Ethereum but does not follow EIP-4361 exactly. Ask the application for a correct one.' },
  siwe_unsupported: { title: 'This sign-in message cannot be signed here', advice: 'It is for another address, has expired, or hands out what cannot be granted. Ask the application for another one.' },
  typed_data_refused: { title: 'The typed data cannot be read', advice: 'It must be the JSON of eth_signTypedData_v4, without unknown or missing fields.' },
  text_refused: { title: 'The text holds characters you cannot see', advice: 'Remove control and direction characters and try again.' },
  too_many: { title: 'Too many in too short a time', advice: 'Wait a minute and try again.', retry: true },
  busy: { title: 'Too many requests wait already', advice: 'Wait a second and try again.', retry: true },
  full: { title: 'No room for another account', advice: 'This deployment is full. Tell the operator.' },
  conflict: { title: 'Another change came first', advice: 'Start the step again.' },
  outcome_unknown: { title: 'It may have happened', advice: 'Look at the history in five minutes. A decision that it does not show then is refused if the host brings it later. A hostile host can have a signature that no history shows.', retry: true },
  awaiting_root_key: { title: 'The enclave waits for its operators', advice: 'Its operators, or another enclave, bring the root key that it needs. That can take hours, and until then it serves nobody. Try again later.', retry: true },
  superseded: { title: 'This enclave handed over to its successor', advice: 'Reload the page to reach the successor.', retry: true },
  operator_refused: { title: 'What an operator brought does not fit', advice: '`openkey operator` says what is wrong.' },
  order_expired: { title: 'The operator’s order has expired', advice: 'It was kept back on its way. Give it again.' },
  hand_over_refused: { title: 'The root key does not move there', advice: 'The other enclave is not one that may have it.' },
  manifest_refused: { title: 'The release manifest is refused', advice: 'It is not signed by enough maintainers, or not acceptable here.' },
  unavailable: { title: 'A part of the service does not answer', advice: 'Try again in a moment.', retry: true },
  internal: { title: 'The enclave failed a check of its own', advice: 'Do not go on. Tell the operator.' },
};

/**
 * A refusal of the enclave.
 * @param {{ code: string, message: string, advice: string }} error
 */
export function enclaveFailure(error) {
  const known = Object.hasOwn(ENCLAVE, error.code) ? ENCLAVE[error.code] : undefined;
  return new Failure('enclave', error.code, {
    title: known?.title ?? 'The enclave refused',
    message: error.message,
    advice: known?.advice ?? error.advice,
    retry: known?.retry ?? false,
  });
}

/**
 * A refusal that no enclave signed: anybody between it and this page could have written it.
 * @param {{ code: string, message: string }} error
 */
export function unsignedRefusal(error) {
  return new Failure('host', 'unsigned_refusal', {
    title: 'The host says that the enclave refused',
    message: `The enclave did not sign this, so it may not be true. The host’s words: “${foreign(`${error.message} (${error.code})`)}”`,
    advice: 'Try again later, and tell the operator; do not create another account because of it.',
  });
}

/** Longest wait that is passed on, in seconds. */
const LONGEST_WAIT = 3600;

/** @type {Record<number, { title: string, advice: string, retry: boolean }>} */
const STATUS = {
  400: { title: 'The host could not read the request', advice: 'Reload the page.', retry: false },
  403: { title: 'The host refuses this page’s address', advice: 'Open the page at the address the operator announced.', retry: false },
  404: { title: 'The host does not know this enclave', advice: 'Reload the page: the service may have moved.', retry: false },
  405: { title: 'The host does not take this request', advice: 'Reload the page.', retry: false },
  413: { title: 'The host finds this too long', advice: 'Shorten the text and try again.', retry: false },
  415: { title: 'The host could not read the request', advice: 'Reload the page.', retry: false },
  429: { title: 'The host counts too many requests', advice: 'Wait a moment and try again.', retry: true },
  503: { title: 'The host does not reach the enclave', advice: 'It may be starting. Try again in a few seconds.', retry: true },
  504: { title: 'The host got no answer in time', advice: 'The enclave may be busy. Try again in a few seconds.', retry: true },
};

/**
 * A failure of the host itself.
 * @param {number} status
 * @param {{ code?: unknown, message?: unknown, advice?: unknown, request_id?: unknown }} body
 * @param {number | null} retryAfter seconds
 */
export function hostFailure(status, body, retryAfter = null) {
  const known = STATUS[status] ?? {
    title: 'The host failed',
    advice: 'Try again in a moment. If it stays, tell the operator.',
    retry: status >= 500,
  };
  const said = typeof body.message === 'string' ? ` Its words: “${foreign(body.message)}”` : '';
  const id = typeof body.request_id === 'string' ? ` (request “${foreign(body.request_id, 40)}”)` : '';
  // A name and no sentence: the page shows it in its own words.
  const code = typeof body.code === 'string' && /^[a-z0-9_]{1,40}$/.test(body.code) ? body.code : `status_${status}`;
  return new Failure('host', code, {
    title: known.title,
    message: `The host answered with status ${status}; no enclave signed that.${said}${id}`,
    advice: retryAfter === null || retryAfter > LONGEST_WAIT ? known.advice : `Try again in ${retryAfter} s.`,
    retry: known.retry,
  });
}

/** @param {unknown} cause */
export function networkFailure(cause) {
  const late = cause instanceof DOMException && cause.name === 'TimeoutError';
  return new Failure('network', late ? 'timeout' : 'offline', {
    title: late ? 'No answer in time' : 'The service cannot be reached',
    message: late ? 'The host did not answer.' : 'The request got no answer.',
    advice: 'Check your connection and try again.',
    retry: true,
    cause,
  });
}

/** @type {Record<string, { title: string, message: string, advice: string, retry: boolean }>} */
const PASSKEY = {
  NotAllowedError: {
    title: 'No passkey was used',
    message: 'The passkey prompt was closed, took too long, or the person could not be verified.',
    advice: 'Try again, and unlock the passkey with fingerprint, face or PIN.',
    retry: true,
  },
  AbortError: {
    title: 'Cancelled',
    message: 'The passkey prompt was closed.',
    advice: 'Try again when you are ready.',
    retry: true,
  },
  InvalidStateError: {
    title: 'This device holds a passkey of this account already',
    message: 'The authenticator refused to make a second one.',
    advice: 'Use another device or a security key for the new passkey.',
    retry: true,
  },
  SecurityError: {
    title: 'This page is not at its own address',
    message: 'The browser refuses passkeys of this service on this page.',
    advice: 'Open the page at the address the operator announced.',
    retry: false,
  },
  NotSupportedError: {
    title: 'This authenticator cannot be used',
    message: 'It has no way to make the kind of passkey that is needed.',
    advice: 'Use a phone, a laptop with a screen lock, or a newer security key.',
    retry: true,
  },
  ConstraintError: {
    title: 'This authenticator cannot be used',
    message: 'It cannot keep a passkey, or cannot verify that it is you.',
    advice: 'Set up a screen lock or PIN, or use another authenticator.',
    retry: true,
  },
};

/** @param {unknown} cause what `navigator.credentials` threw */
export function passkeyFailure(cause) {
  const name = cause instanceof Error ? cause.name : 'Error';
  const known = (Object.hasOwn(PASSKEY, name) ? PASSKEY[name] : undefined) ?? {
    title: 'The passkey could not be used',
    message: cause instanceof Error ? cause.message : String(cause),
    advice: 'Try again, or use another browser or device.',
    retry: true,
  };
  return new Failure('passkey', name, { ...known, cause });
}

/**
 * A check of this page that failed: what the service sent is not what was asked.
 * @param {string} code
 * @param {string} message
 * @param {unknown} [cause]
 */
export function pageFailure(code, message, cause) {
  return new Failure('page', code, {
    title: 'The answer does not belong to what you asked',
    message,
    advice: 'Someone between this page and the enclave may be changing messages. Do not continue; tell the operator.',
    cause,
  });
}

/**
 * Any error as a {@link Failure}.
 * @param {unknown} error
 */
export function asFailure(error) {
  if (error instanceof Failure) return error;
  return new Failure('page', 'bug', {
    title: 'Something went wrong in this page',
    message: error instanceof Error ? error.message : String(error),
    advice: 'Reload the page and try again.',
    cause: error,
  });
}
