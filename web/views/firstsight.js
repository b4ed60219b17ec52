// The first time a browser sees an account it has nothing to compare with: it says what it took.

import { h } from '../dom.js';
import { asFailure } from '../errors.js';
import { notice, when } from '../ui.js';

/** @import { App } from '../state.js' */
/** @import { AccountView, HistoryEntry } from '../messages.js' */

/**
 * What this browser took of an account that it did not know, for the person to compare with what they
 * remember. Null if it knew the account before.
 *
 * @param {App} app
 * @param {AccountView} account
 * @returns {Promise<HTMLElement | null>}
 */
export async function firstSight(app, account) {
  if (!app.session?.first) return null;
  /** @type {HistoryEntry | undefined} */
  let newest;
  try {
    newest = (await app.history(null, 1)).entries[0];
  } catch (error) {
    // The rest of the page says what is wrong with the host; this notice only adds to it.
    if (asFailure(error).code === 'session_ended') return null;
  }
  const passkeys = account.passkeys.length === 1 ? 'one passkey' : `${account.passkeys.length} passkeys`;
  return notice(
    'warn',
    'This browser sees this account for the first time',
    h('p', {}, 'It has no earlier state to compare with and took what it was shown: ', h('strong', {}, passkeys), newest ? [', newest decision “', h('strong', {}, newest.title), '” ', when(newest.at), '.'] : '.'),
    h('p', {}, 'If you remember it otherwise, an old copy of your account may have been shown to you: sign nothing, and tell the operator. From now on this browser notices.'),
  );
}
