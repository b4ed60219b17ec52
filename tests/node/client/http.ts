// Requests and answers.

import type { Json } from './json.js';

/** What is sent. */
export interface Request {
  method: string;
  /** Path and query, as they stand in the request line. */
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array | FormData;
}

/** What came back, whole. */
export class Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  /** Whether an earlier attempt got no answer, so that its effect may be there already. */
  readonly again: boolean;

  constructor(status: number, headers: Headers, bytes: Uint8Array, again = false) {
    this.status = status;
    this.headers = headers;
    this.bytes = bytes;
    this.again = again;
  }

  /** The body as text. */
  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** The body as JSON of a shape that the caller expects. */
  json<T = Json>(): T {
    return JSON.parse(this.text) as T;
  }

  /** A header, or nothing. */
  header(name: string): string | undefined {
    return this.headers.get(name) ?? undefined;
  }

  /** For messages of assertions. */
  toString(): string {
    return `${this.status} ${this.text.slice(0, 400)}`;
  }
}

/** Whoever carries requests to a node. */
export interface Transport {
  /** Sends what `mint` makes; a request that got no answer may be made and sent once more. */
  send(mint: () => Request): Promise<Answer>;
}

/** Longest wait for an answer, in milliseconds: longer than any statement may run. */
const PATIENCE = 60_000;

/** Sends one request to the node at this address. */
export const exchange = async (url: string, { method, path, headers = {}, body }: Request): Promise<Answer> => {
  const response = await fetch(url + path, { method, headers, redirect: 'manual', signal: AbortSignal.timeout(PATIENCE), ...(body === undefined ? {} : { body }) });
  return new Answer(response.status, response.headers, new Uint8Array(await response.arrayBuffer()));
};
