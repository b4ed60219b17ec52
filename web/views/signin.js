// Signing in without a user name: the authenticator knows whose passkey it is.

import { proposeSignIn } from '../consent.js';
import { say } from '../ui.js';
import { ask } from './prompt.js';

/** @import { App } from '../state.js' */

/** For whoever is at this page now: it names nobody. */
export const TOO_LATE = 'An earlier sign-in was answered only now. It changes nobody who is signed in here.';

/**
 * @param {App} app
 * @param {AbortSignal} signal ends with the view that asks
 * @returns {Promise<void>}
 */
export async function signIn(app, signal) {
  const result = await ask(app, 'Sign in', (tell) => proposeSignIn(app, tell), { signal, global: true });
  const outcome = result?.approved?.outcome;
  if (!result?.who || !outcome || typeof outcome === 'string' || !('signed_in' in outcome)) return;
  const { token, expires_at } = outcome.signed_in;
  const was = location.hash;
  if (was === '' || was === '#/' || was === '#/create') window.history.replaceState(null, '', '#/keys');
  if (app.signIn({ ...result.who, token, expiresAt: expires_at, name: '' }, result.began)) return;
  window.history.replaceState(null, '', was);
  say(TOO_LATE, { lasts: true });
}
