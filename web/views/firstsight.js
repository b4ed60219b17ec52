// The first time a browser sees an account it has nothing to compare with: it says what it took.

import { toHex } from '../bytes.js';
import { fill, h } from '../dom.js';
import { asFailure } from '../errors.js';
import { notice, when } from '../ui.js';

/** @import { App } from '../state.js' */
/** @import { HistoryEntry } from '../messages.js' */
/** @import { Session, Sight, Unseen } from '../store.js' */

/** Entries that are looked through for the one before the sign-in. */
const NEWEST = 20;

/**
 * A place that says what this browser took of an account that it did not know, for the person to compare with what
 * they remember. Empty if it knew the account before, and once the person has compared.
 * @param {App} app
 */
export function firstSight(app) {
  const place = h('div', { class: 'sight' });
  const { session } = app;
  const unseen = session && app.store.unseen(session.account);
  if (unseen) void show(app, session, unseen, place);
  return place;
}

/**
 * @param {App} app
 * @param {Session} session
 * @param {Unseen} unseen
 * @param {HTMLElement} place
 */
async function show(app, session, { entry, sight }, place) {
  const { account } = session;
  try {
    // Taken once: what is decided from here on this browser has seen itself.
    sight ??= await look(app, entry);
  } catch (error) {
    // The view says what is wrong with the host; this notice only adds to it.
    if (asFailure(error).code === 'session_ended') return;
  }
  if (app.session !== session) return;
  // Meanwhile somebody may have compared it in another tab.
  if (app.store.unseen(account) === null) return;
  if (sight) app.store.keepSight(account, sight);
  fill(place, words(sight, () => {
    app.store.closeSight(account);
    fill(place);
  }));
}

/**
 * @param {App} app
 * @param {string | null} entry the digest of the sign-in that showed the account, hex
 * @returns {Promise<Sight>}
 */
async function look(app, entry) {
  const account = await app.known();
  const { entries } = await app.history(null, NEWEST);
  return { passkeys: account.passkeys.length, ...before(entries, entry) };
}

/**
 * The newest decision before the sign-in that showed the account.
 * @param {HistoryEntry[]} entries newest first
 * @param {string | null} entry the digest of the sign-in, hex
 * @returns {Pick<Sight, 'newest' | 'before'>} `before` is false if the sign-in is not among them: then of all of them
 */
export function before(entries, entry) {
  const own = entries.findIndex((one) => toHex(one.digest) === entry);
  const newest = entries[own + 1];
  return { newest: newest ? { title: newest.title, at: newest.at } : null, before: own >= 0 };
}

/**
 * @param {Sight | null} sight null if it could not be read
 * @param {() => void} compared
 */
function words(sight, compared) {
  const which = sight?.before ? ' before this sign-in' : '';
  const passkeys = sight?.passkeys === 1 ? 'one passkey' : `${sight?.passkeys} passkeys`;
  return notice(
    'warn',
    'This browser sees this account for the first time',
    h(
      'p',
      {},
      'It has no earlier state to compare with and took what it was shown',
      sight ? [': ', h('strong', {}, passkeys), sight.newest ? [`, newest decision${which} “`, h('strong', {}, sight.newest.title), '” ', when(sight.newest.at), '.'] : `, no decision${which}.`] : '. What that is could not be read just now.',
    ),
    h('p', {}, 'If you remember it otherwise, an old copy of your account may have been shown to you: sign nothing, and tell the operator. From now on this browser notices.'),
    h('p', {}, h('button', { type: 'button', class: 'small', onclick: compared }, 'It is as I remember it')),
  );
}
