// Signing in without a user name: the authenticator knows whose passkey it is.

import { proposeSignIn } from '../consent.js';
import { say } from '../ui.js';
import { ask } from './prompt.js';

/** @import { App } from '../state.js' */

/**
 * @param {App} app
 * @param {AbortSignal} signal ends with the view that asks
 * @returns {Promise<void>}
 */
export async function signIn(app, signal) {
  const before = app.session;
  const result = await ask(app, 'Sign in', (tell) => proposeSignIn(app, tell), { signal, global: true });
  const outcome = result?.approved?.outcome;
  if (!result?.who || !outcome || typeof outcome === 'string' || !('signed_in' in outcome)) return;
  if (app.session !== before) {
    say('An earlier sign-in was answered only now. It changes nobody who is signed in here.', { lasts: true });
    return;
  }
  const { token, expires_at } = outcome.signed_in;
  if (location.hash === '' || location.hash === '#/' || location.hash === '#/create') window.history.replaceState(null, '', '#/keys');
  app.signIn({ ...result.who, token, expiresAt: expires_at, name: '', first: result.first, entry: result.prompt.digest });
}
