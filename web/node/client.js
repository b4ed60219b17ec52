// What the page asks of a node. Its answers are checked for their shape and shown as text.

import { Failure } from '../errors.js';
import { foreign } from '../words.js';

/** Longer than a node's own bounds, so that its answer is heard. */
const TIMEOUT_MS = 20_000;
/** The protocol that this page speaks. */
const PROTOCOL = 1;

/** What names a permission: a CIDv1 of raw bytes by their BLAKE3 hash, in base 32. */
const CID = /^bafkr4i[a-z2-7]{52}$/;

/** @typedef {{ cid: string, activated: string[], skipped: string[] }} Delegated */

/** @type {Record<number, { code: string, title: string, advice: string, retry?: boolean }>} */
const STATUS = {
  400: { code: 'node_request', title: 'The node could not read the request', advice: 'The node may be of another version than this page. Tell its operator.' },
  401: { code: 'node_refused', title: 'The node does not accept the permission', advice: 'It may have ended or been taken back, or a clock is wrong. Forget the session and connect again.' },
  402: { code: 'node_quota', title: 'The space is full', advice: 'Delete something, or ask the node’s operator for more room.' },
  403: { code: 'node_forbidden', title: 'The node refuses this space', advice: 'Ask the node’s operator to let this account in.' },
  404: { code: 'node_not_found', title: 'The node does not know this', advice: 'It may not keep the space any more. Forget the session and connect again.' },
  409: { code: 'node_replay', title: 'The node has seen this request already', advice: 'Try again: every try is a new request.', retry: true },
  413: { code: 'node_too_long', title: 'This is too long for the node', advice: 'Write something shorter.' },
  429: { code: 'node_busy', title: 'The node is asked too often', advice: 'Wait a moment and try again.', retry: true },
};

/** One node. */
export class NodeClient {
  /**
   * @param {string} origin
   * @param {typeof fetch} [fetcher]
   */
  constructor(origin, fetcher = (input, init) => fetch(input, init)) {
    this.origin = origin;
    this.fetch = fetcher;
  }

  /**
   * Whether there is a node that speaks this protocol.
   * @returns {Promise<{ nodeId: string }>}
   */
  async info() {
    const answer = /** @type {any} */ (await json(await this.#ask('GET', '/info')));
    if (answer?.protocol !== PROTOCOL || typeof answer.nodeId !== 'string') {
      throw new Failure('node', 'node_protocol', {
        title: 'This is no node that this page can use',
        message: `It does not speak protocol ${PROTOCOL}.`,
        advice: 'Check the address. If it is right, the node is of another version than this page.',
      });
    }
    return { nodeId: answer.nodeId };
  }

  /**
   * Brings a signed permission.
   * @param {string} token
   * @returns {Promise<Delegated>}
   */
  async delegate(token) {
    const answer = /** @type {any} */ (await json(await this.#ask('POST', '/delegate', token)));
    const isList = (/** @type {unknown} */ it) => Array.isArray(it) && it.every((one) => typeof one === 'string');
    if (typeof answer?.cid !== 'string' || !CID.test(answer.cid) || !isList(answer.activated) || !isList(answer.skipped)) throw unreadable();
    return answer;
  }

  /**
   * The key under which the node would keep a space.
   * @param {string} space
   */
  async host(space) {
    const did = await (await this.#ask('GET', `/peer/generate/${encodeURIComponent(space)}`)).text();
    if (!/^did:key:z[1-9A-HJ-NP-Za-km-z]{40,100}$/.test(did)) throw unreadable();
    return did;
  }

  /**
   * Uses a permission.
   * @param {string} token
   * @param {string} [body]
   */
  async invoke(token, body) {
    return (await this.#ask('POST', '/invoke', token, body)).text();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string} [token]
   * @param {string} [body]
   */
  async #ask(method, path, token, body) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (token !== undefined) headers['authorization'] = token;
    if (body !== undefined) headers['content-type'] = 'text/plain; charset=utf-8';
    /** @type {Response} */
    let response;
    try {
      response = await this.fetch(`${this.origin}${path}`, {
        method,
        headers,
        body: body ?? null,
        credentials: 'omit',
        redirect: 'error',
        referrerPolicy: 'no-referrer',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      throw new Failure('node', 'node_unreachable', {
        title: 'The node does not answer',
        message: `No answer came from ${this.origin}.`,
        advice: 'Check that the node runs and that its address is right, then try again.',
        retry: true,
        cause,
      });
    }
    if (response.ok) return response;
    const known = STATUS[response.status] ?? {
      code: 'node_failed',
      title: 'The node failed',
      advice: 'Try again in a moment. If it stays, tell the node’s operator.',
      retry: response.status >= 500,
    };
    const said = foreign(await response.text().catch(() => ''));
    throw new Failure('node', known.code, {
      title: known.title,
      message: `It answered with status ${response.status}.${said && ` Its words: “${said}”`}`,
      advice: known.advice,
      retry: known.retry ?? false,
    });
  }
}

/** @param {Response} response */
async function json(response) {
  try {
    return await response.json();
  } catch {
    throw unreadable();
  }
}

function unreadable() {
  return new Failure('node', 'node_answer', {
    title: 'The node’s answer cannot be read',
    message: 'It is not what a node answers to this request.',
    advice: 'Check the address. If it is right, the node is of another version than this page.',
  });
}
