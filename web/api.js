// One way out: CBOR requests to the enclave through the host, and the host's own JSON.

import { random } from './bytes.js';
import { decode, encode } from './cbor.js';
import { asFailure, Failure, hostFailure, networkFailure, pageFailure, unsignedRefusal } from './errors.js';
import { isNode } from './origin.js';
import { foreign } from './words.js';

/** @import { Class, Config, EnclaveError, Reply, Request, Response as Answer, Signed } from './messages.js' */

/** Longer than the host's own deadline, so that its answer is heard. */
const TIMEOUT_MS = 35_000;

/** Bytes of the nonce that each request gets. */
const NONCE = 32;

/** Characters that are quoted of what is no address of a node. */
const QUOTED = 80;

/** Refusals that say: the enclave is there, and serves nobody just now. */
const AWAY = new Set(['awaiting_root_key', 'unavailable']);

/**
 * The class under which a request travels.
 * @param {Request} request
 * @returns {Class}
 */
export function classOf(request) {
  if (typeof request === 'string') return 'request';
  if ('evidence' in request) return 'evidence';
  if ('sign_up' in request || 'sign_up_finish' in request) return 'sign-up';
  return 'request';
}

/** Talks to one enclave. Tells `reach` when it can no longer be reached, or can again. */
export class Api extends EventTarget {
  /**
   * @param {string} enclave the host's routing id
   * @param {typeof fetch} [fetcher]
   */
  constructor(enclave, fetcher = (input, init) => fetch(input, init)) {
    super();
    this.enclave = enclave;
    this.fetch = fetcher;
    /** @type {Failure | null} why the last request did not reach a working enclave */
    this.away = null;
  }

  /**
   * Sends a request in an envelope of its own. Nothing in the reply is checked: that is for the visit,
   * which knows who may answer.
   *
   * @param {Request} request
   * @returns {Promise<{ call: Uint8Array<ArrayBuffer>, nonce: Uint8Array<ArrayBuffer>, reply: Reply }>} `call`: the
   *   exact bytes that were sent, which an answer names the hash of
   * @throws {Failure} of the host, or the network
   */
  async send(request) {
    const nonce = random(NONCE);
    const call = encode({ nonce, request });
    const url = `/api/v1/enclaves/${encodeURIComponent(this.enclave)}/${classOf(request)}`;
    const bytes = new Uint8Array(await this.#carried(url, {
      method: 'POST',
      headers: { 'content-type': 'application/cbor', accept: 'application/cbor' },
      body: call,
    }));
    return { call, nonce, reply: this.#reached(() => readReply(bytes)) };
  }

  /**
   * Asks for an attestation document.
   * @param {Uint8Array<ArrayBuffer>} nonce
   * @returns {Promise<Uint8Array<ArrayBuffer>>} the document, of whomever
   * @throws {Failure}
   */
  async evidence(nonce) {
    const { reply } = await this.send({ evidence: { nonce } });
    if ('bare' in reply && 'evidence' in reply.bare) return reply.bare.evidence.document;
    throw unsigned(reply);
  }

  /**
   * @param {string} url
   * @param {RequestInit} init
   */
  async #carried(url, init) {
    try {
      return await body(await this.#request(url, init));
    } catch (error) {
      // A refusal of the host is an answer; a host that cannot carry is none.
      const failure = asFailure(error);
      if (failure.party === 'network' || failure.retry) this.#tell(failure);
      throw error;
    }
  }

  /** @param {() => Reply} read */
  #reached(read) {
    /** @type {Failure | null} */
    let away = null;
    try {
      const reply = read();
      // What an enclave signed is for the visit to judge.
      if ('bare' in reply && 'refused' in reply.bare && AWAY.has(reply.bare.refused.code)) away = unsigned(reply);
      return reply;
    } finally {
      this.#tell(away);
    }
  }

  /**
   * Hears of a refusal that the enclave signed.
   * @param {Failure} failure
   */
  refused(failure) {
    if (AWAY.has(failure.code)) this.#tell(failure);
  }

  /** @param {Failure | null} away */
  #tell(away) {
    const changed = this.away?.code !== away?.code;
    this.away = away;
    if (changed) this.dispatchEvent(new Event('reach'));
  }

  /**
   * What the host says about itself; nothing in it makes this page accept an enclave.
   * @returns {Promise<Config>}
   */
  static async config(fetcher = fetch) {
    const api = new Api('', fetcher === fetch ? undefined : fetcher);
    const response = await api.#request('/config.json', { headers: { accept: 'application/json' } });
    try {
      const config = await response.json();
      if (config.enclave === null) throw noEnclave();
      if (!/^https?:\/\//.test(config.origin) || typeof config.enclave !== 'string') throw new TypeError('members are missing');
      return read(config);
    } catch (cause) {
      if (cause instanceof Failure) throw cause;
      throw new Failure('host', 'config', {
        title: 'The host’s configuration cannot be read',
        message: 'The file config.json is not what this page needs.',
        advice: 'Tell the operator.',
        retry: true,
        cause,
      });
    }
  }

  /**
   * @param {string} url
   * @param {RequestInit} init
   */
  async #request(url, init) {
    /** @type {Response} */
    let response;
    try {
      response = await this.fetch(url, {
        ...init,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      throw networkFailure(cause);
    }
    // A 503 of the enclave itself is a reply, too: it awaits its root key.
    const awaits = response.status === 503 && response.headers.get('content-type') === 'application/cbor';
    if (response.status === 200 || awaits) return response;
    const after = response.headers.get('retry-after');
    const words = await response.json().catch(() => ({}));
    throw hostFailure(response.status, words ?? {}, after !== null && /^\d+$/.test(after) ? Number(after) : null);
  }
}

/**
 * What the page reads of a configuration. What stands in the place of a node's address is none of it, but for a line
 * that the page quotes.
 * @param {any} config
 * @returns {Config}
 */
function read({ version, origin, enclave, policy, node = null }) {
  const rest = { version, origin, enclave, policy };
  if (node === null || isNode(node)) return { ...rest, node };
  return { ...rest, node: null, notNode: foreign(typeof node === 'string' ? node : JSON.stringify(node), QUOTED) };
}

function noEnclave() {
  return new Failure('host', 'no_enclave', {
    title: 'The host says that there is no enclave',
    message: 'Its file config.json names none.',
    advice: 'Try again later, or tell the operator.',
    retry: true,
  });
}

/** @param {Response} response */
async function body(response) {
  try {
    return await response.arrayBuffer();
  } catch (cause) {
    throw networkFailure(cause);
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {Reply}
 */
function readReply(bytes) {
  /** @type {any} */
  let reply;
  try {
    reply = decode(bytes);
  } catch (cause) {
    throw malformed(cause);
  }
  const { answer, bare } = reply ?? {};
  const isBytes = (/** @type {unknown} */ value) => value instanceof Uint8Array;
  const signed = isBytes(answer?.body) && isBytes(answer?.signature);
  if (signed || isBytes(bare?.evidence?.document) || typeof bare?.refused?.code === 'string') return reply;
  throw malformed();
}

/**
 * What the enclave answered, out of bytes whose signature holds.
 * @template {Answer extends infer A ? A extends unknown ? keyof A : never : never} K
 * @param {Signed<'answer'>} signed
 * @param {K} expected the kind of answer
 * @returns {Extract<Answer, Record<K, unknown>>[K]}
 */
export function answerIn(signed, expected) {
  const said = /** @type {any} */ (decode(signed.body)).result?.ok ?? {};
  if (said[expected] === undefined) {
    throw pageFailure('wrong_answer', `Expected “${expected}”, got “${Object.keys(said).join()}”.`);
  }
  return said[expected];
}

/**
 * A reply that is no answer of an enclave: the host's word, whatever it says.
 * @param {Reply} reply
 */
export function unsigned(reply) {
  /** @type {EnclaveError | undefined} */
  let error;
  if ('bare' in reply) error = 'refused' in reply.bare ? reply.bare.refused : undefined;
  else error = /** @type {any} */ (decode(reply.answer.body)).result?.refused;
  return error === undefined ? malformed() : unsignedRefusal(error);
}

/** @param {unknown} [cause] */
function malformed(cause) {
  return pageFailure('malformed_reply', 'The answer is not a reply of an enclave.', cause);
}
