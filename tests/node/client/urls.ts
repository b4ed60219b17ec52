// What is read without a token: signed URLs and public spaces.

import type { Answer, Transport } from './http.js';
import type { Invoker } from './invoker.js';
import type { Json } from './json.js';

/** What `/signed/kv` answers. */
export interface Signed {
  url: string;
  ticketId: string;
  expiresAt: string;
}

/** Asks for a URL; `more` are members of the body in the spelling of the caller. */
export const signUrl = (by: Invoker, space: string, path: string, more: { [name: string]: Json } = {}): Promise<Answer> =>
  by.one(`${space}/kv/${path}`, 'tinycloud.kv/get', {
    path: '/signed/kv',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ space, path, ...more }),
  });

/** Gets a path without a token. */
export const get = (via: Transport, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
  via.send(() => ({ method, path, headers }));

/** The path of a key of a public space. */
export const publicPath = (space: string, key: string): string => `/public/${encodeURIComponent(space)}/kv/${key}`;
