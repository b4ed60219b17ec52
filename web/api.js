// One way out: CBOR requests to the enclave through the host, and the host's own JSON.

import { decode, encode } from './cbor.js';
import { asFailure, enclaveFailure, Failure, hostFailure, networkFailure, pageFailure } from './errors.js';

/** @import { Class, Config, EnclaveError, Request, Response as Answer } from './messages.js' */

/** Longer than the host's own deadline, so that its answer is heard. */
const TIMEOUT_MS = 35_000;

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
   * Sends a request; the exact bytes come back too, because a prompt names their hash.
   *
   * @template {Answer extends infer A ? A extends unknown ? keyof A : never : never} K
   * @param {Request} request
   * @param {K} expected the kind of answer
   * @returns {Promise<{ sent: Uint8Array<ArrayBuffer>, answer: Extract<Answer, Record<K, unknown>>[K] }>}
   * @throws {Failure} of the enclave, the host, or the network
   */
  async send(request, expected) {
    const sent = encode(request);
    const url = `/api/v1/enclaves/${encodeURIComponent(this.enclave)}/${classOf(request)}`;
    const bytes = new Uint8Array(await this.#carried(url, {
      method: 'POST',
      headers: { 'content-type': 'application/cbor', accept: 'application/cbor' },
      body: sent,
    }));
    const reply = this.#reached(() => readReply(bytes));
    const answer = /** @type {Record<string, any>} */ (reply)[expected];
    if (answer === undefined) {
      throw pageFailure('wrong_answer', `Expected “${expected}”, got “${Object.keys(reply).join()}”.`);
    }
    return { sent, answer };
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

  /**
   * @template T
   * @param {() => T} read
   */
  #reached(read) {
    try {
      const reply = read();
      this.#tell(null);
      return reply;
    } catch (error) {
      const failure = asFailure(error);
      this.#tell(['awaiting_root_key', 'unavailable'].includes(failure.code) ? failure : null);
      throw error;
    }
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
      return config;
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

function noEnclave() {
  return new Failure('host', 'no_enclave', {
    title: 'There is no enclave behind this page',
    message: 'The host is running without one.',
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
 * @returns {object}
 */
function readReply(bytes) {
  /** @type {{ ok?: object, error?: EnclaveError }} */
  let reply;
  try {
    reply = /** @type {any} */ (decode(bytes));
  } catch (cause) {
    throw pageFailure('malformed_reply', 'The answer is not a reply of an enclave.', cause);
  }
  if (reply !== null && typeof reply === 'object') {
    if (reply.error) throw enclaveFailure(reply.error);
    if (reply.ok && typeof reply.ok === 'object') return reply.ok;
  }
  throw pageFailure('malformed_reply', 'The answer is not a reply of an enclave.');
}
