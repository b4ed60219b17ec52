// When a head takes the place of the one that is kept: only if an enclave has shown that it continues it.
//
// An answer proves that its head continues the one that its call carried. Meanwhile another call, or another
// tab, may have learned of a newer one, and a host that serves two copies of an account decides which answer
// comes when. So the heads that count are those known at the time of keeping.

import { toHex } from './bytes.js';
import { Failure } from './errors.js';

/** @import { KnownHead } from './messages.js' */
/** @import { Store } from './store.js' */
/** @import { CheckedHead } from './verifier.js' */

/** @typedef {{ asked: KnownHead | null, head: CheckedHead | null, at: number }} Shown a checked answer: the head that its call carried, the head that it showed as current, and when */

/** @typedef {Pick<LockManager, 'request'> | undefined} Locks */

/**
 * Keeps the last head that was shown, if it continues everything that is known now.
 * @param {Pick<Store, 'heads' | 'putHead'>} store
 * @param {Shown[]} shown answers about one account, the one to keep last
 * @param {Locks} [locks] across the tabs of this browser
 * @returns {Promise<KnownHead | null>} a known head that it was not shown to continue; then nothing was kept
 * @throws {Failure} `forked` if it is of another history
 */
export async function keepHead(store, shown, locks = globalThis.navigator?.locks) {
  const keep = () => {
    const last = shown.at(-1);
    if (!last?.head) throw new TypeError('no answer');
    const { head, at } = last;
    const known = store.heads(head.account);
    if (known.some((one) => one.head.version === head.version && toHex(one.head.hash) !== head.hash)) throw forked();
    const same = known.find((one) => toHex(one.head.hash) === head.hash);
    const open = known.find((one) => one !== same && !shown.some((answer) => answer.head?.hash === head.hash && covers(answer.asked, one)));
    if (open) return open;
    // The time of the same head only goes up.
    store.putHead(head, Math.max(at, same?.shown_at ?? 0));
    return null;
  };
  return locks ? locks.request('openkey.heads', keep) : keep();
}

/**
 * Whether a call carried all that is known of a head: a later look at it forbids more.
 * @param {KnownHead | null} asked
 * @param {KnownHead} known
 */
function covers(asked, known) {
  return asked !== null && toHex(asked.head.hash) === toHex(known.head.hash) && asked.shown_at >= known.shown_at;
}

/** Two states of one version: one of them belongs to another history. */
function forked() {
  return new Failure('page', 'forked', {
    title: 'The service shows another history of your account',
    message: 'Two answers show the account at the same version, and it is not the same account.',
    advice: 'The host shows this browser more than one copy of your account. Do not sign anything; tell the operator.',
  });
}

/** It changed again while it was asked about. */
export function moved() {
  return new Failure('page', 'head_moved', {
    title: 'Your account changed while this was asked',
    message: 'Another answer showed a newer state meanwhile, and nobody has proved that this one continues it.',
    advice: 'Try again. If it stays, the host shows more than one copy of your account: do not sign anything, and tell the operator.',
    retry: true,
  });
}
