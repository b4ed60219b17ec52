// What lies beside this page's code: the anchor of its deployment, and the releases its host
// publishes. The anchor names whose signatures count; everything else a host serves can only refuse.

import { Failure, hostFailure, networkFailure } from './errors.js';

/** @import { Bytes } from './messages.js' */

/** @typedef {{ anchor: Bytes | null, releases: string | null }} Beside `anchor` is null where none is served */

/** As long as the verifier reads; more is not even loaded into it. */
const LONGEST = { anchor: 32 * 1024, releases: 1024 * 1024 };
const TIMEOUT_MS = 20_000;

/**
 * Fetches both. The anchor belongs to the code and lies beside it, like any of its modules.
 * @param {typeof fetch} [fetcher]
 * @returns {Promise<Beside>}
 */
export async function beside(fetcher = (input, init) => fetch(input, init)) {
  const anchor = await file(fetcher, new URL('anchor.json', import.meta.url), LONGEST.anchor);
  const releases = await file(fetcher, new URL('/releases.json', import.meta.url), LONGEST.releases);
  return { anchor, releases: releases && new TextDecoder().decode(releases) };
}

/**
 * @param {typeof fetch} fetcher
 * @param {URL} url
 * @param {number} longest
 * @returns {Promise<Bytes | null>}
 */
async function file(fetcher, url, longest) {
  /** @type {Response} */
  let response;
  try {
    response = await fetcher(url, { cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.status === 404) return null;
    if (response.status === 200) {
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (bytes.length <= longest) return bytes;
      throw tooLong(url);
    }
  } catch (cause) {
    throw cause instanceof Failure ? cause : networkFailure(cause);
  }
  throw hostFailure(response.status, {});
}

/** @param {URL} url */
function tooLong(url) {
  return new Failure('host', 'too_long', {
    title: 'The host serves a file that is too long',
    message: `${url.pathname} is longer than such a file can be.`,
    advice: 'Tell the operator.',
  });
}
