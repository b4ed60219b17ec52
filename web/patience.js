// Sending the same bytes again while the enclave is away. Only for requests that have one effect
// however often they arrive.

import { Failure } from './errors.js';

/** Pauses between attempts, in milliseconds: an enclave restarts within a few seconds. */
const PAUSES = [500, 1000, 1500, 2000, 3000, 4000];

/** How many of them where nothing is at stake: a person should soon hear that nobody answers. */
export const BRIEFLY = 3;

/**
 * @template T
 * @param {() => Promise<T>} send
 * @param {{ signal?: AbortSignal | undefined, tell?: (step: string) => void, most?: number }} [how]
 * @returns {Promise<T>}
 */
export async function patiently(send, { signal, tell = () => {}, most = PAUSES.length } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      const pause = attempt < most ? PAUSES[attempt] : undefined;
      if (!isAway(error)) throw error;
      if (pause === undefined || signal?.aborted) throw error;
      tell(meanwhile(error));
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (signal?.aborted) throw error;
    }
  }
}

/**
 * What a person reads before the same request is sent again.
 * @param {unknown} error
 */
function meanwhile(error) {
  if (error instanceof Failure && error.party === 'enclave' && error.code === 'awaiting_root_key') {
    return 'The enclave waits for its operators, who bring its root key. That can take hours. The same request is sent again.';
  }
  if (error instanceof Failure && error.party === 'enclave' && error.code === 'unavailable') {
    return 'The enclave cannot do it right now: what it needs does not answer. The same request is sent again.';
  }
  return 'No answer of the enclave came. The same request is sent again.';
}

/** @param {unknown} error */
function isAway(error) {
  return (
    error instanceof Failure &&
    error.retry &&
    (error.party === 'host' || error.party === 'network' || (error.party === 'enclave' && ['unavailable', 'awaiting_root_key', 'outcome_unknown'].includes(error.code)))
  );
}
