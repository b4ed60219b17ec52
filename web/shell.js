// The frame around the views: navigation, who is signed in, whether the enclave was verified.

import { fill, h, icon } from './dom.js';
import { standing, waits } from './standing.js';
import { failureNotice, hush, minute, say } from './ui.js';
import { landing } from './views/landing.js';
import { nowhere } from './views/nowhere.js';
import { signIn } from './views/signin.js';
import { signUp } from './views/signup.js';
import { verify } from './views/verify.js';
import { keys } from './views/keys.js';
import { passkeys } from './views/passkeys.js';
import { sign } from './views/sign.js';
import { connect } from './views/connect.js';
import { history } from './views/history.js';
import { firstSight } from './views/firstsight.js';
import { unconfirmed } from './views/unconfirmed.js';
import { unknown } from './views/unsettled.js';

/** @import { App } from './state.js' */

/** @typedef {(app: App, signal: AbortSignal) => HTMLElement} View `signal` ends when another view takes the place */

/** @type {Record<string, { title: string, short?: string, view: View, account: boolean }>} */
const ROUTES = {
  '': { title: 'Welcome', view: landing, account: false },
  create: { title: 'Create an account', view: signUp, account: false },
  verify: { title: 'Verify the enclave', view: verify, account: false },
  keys: { title: 'Keys', view: keys, account: true },
  sign: { title: 'Sign', view: sign, account: true },
  connect: { title: 'Connect to a node', short: 'Node', view: connect, account: true },
  passkeys: { title: 'Passkeys', view: passkeys, account: true },
  history: { title: 'History', view: history, account: true },
};

/** What an address shows that no view has. */
const NOWHERE = { title: 'No such page', view: nowhere, account: false };

/** How long until an enclave that does not answer is asked again, in milliseconds. */
const AGAIN = 10_000;

/** How soon at the earliest evidence that has passed is asked for again, in milliseconds. */
const SOON = 1000;

/** Routes and frame of one page. */
export class Shell {
  /**
   * @param {App} app
   * @param {HTMLElement} main
   */
  constructor(app, main) {
    this.app = app;
    this.main = main;
    this.nav = element('nav');
    this.who = element('who');
    this.ribbon = element('ribbon');
    this.leaving = new AbortController();
    /** False while the view asks to confirm the account. */
    this.confirmed = true;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.again = undefined;
    /** Whether nothing of this page counts any more. */
    this.over = false;
  }

  start() {
    addEventListener('hashchange', () => this.route());
    this.app.addEventListener('session', () => {
      // Creating an account ends with words of its own.
      if (this.app.session && this.path() === 'create') this.frame();
      else this.route();
      if (this.app.session && !this.tellSent()) say(this.app.remembered ? 'You are signed in. From now on this browser remembers this deployment.' : 'You are signed in.');
    });
    this.app.addEventListener('account', () => {
      if (this.app.account?.confirmed === false && this.confirmed) this.route();
    });
    this.app.visit.addEventListener('change', () => this.frame());
    // Of another tab, which may have remembered a deployment, chosen a policy or signed out.
    addEventListener('storage', ({ key, newValue, oldValue }) => {
      if (key !== null) this.app.store.hear(key, newValue, oldValue);
      this.app.checkTabs();
      this.app.visit.changed();
    });
    addEventListener('pageshow', () => this.app.checkTabs());
    addEventListener('offline', () => this.app.visit.changed());
    addEventListener('online', () => this.check());
    element('skip').addEventListener('click', (event) => {
      event.preventDefault();
      this.main.focus();
    });
    this.route(true);
    this.tellSent();
    this.app.visit.ensure().catch(() => {});
  }

  /**
   * Tells whoever is here of their own approvals that have left an earlier page or session.
   * @returns {boolean} whether there were any
   */
  tellSent() {
    const { unsettled, session } = this.app;
    const sent = unsettled.untold(session?.account ?? null);
    if (sent.length > 0) say(sent.map((one) => unknown({ ...one, signIn: one.account === null })).join(' '), { lasts: true });
    for (const { id } of sent) unsettled.told(id);
    return sent.length > 0;
  }

  /** Asks for evidence again; what comes of it shows in the frame. */
  check() {
    this.app.visit.verify().catch(() => {});
  }

  /** The route of the address bar, as far as one is allowed there now. */
  path() {
    const path = location.hash.replace(/^#(main$|\/)?/, '').split('?')[0] ?? '';
    return path === '' && this.app.session ? 'keys' : path;
  }

  /**
   * Ends everything on this page.
   * @param {HTMLElement} words why
   */
  end(words) {
    this.over = true;
    clearTimeout(this.again);
    hush();
    this.leaving.abort();
    this.app.stop();
    for (const place of [this.nav, this.who]) fill(place);
    fill(this.main, words);
  }

  /** @param {boolean} [first] the focus stays where the browser put it */
  route(first = false) {
    if (this.over) return;
    // Before the old view ends: what it says then is about what it leaves behind.
    hush();
    this.leaving.abort();
    this.leaving = new AbortController();
    const path = this.path();
    const route = (Object.hasOwn(ROUTES, path) && ROUTES[path]) || NOWHERE;
    document.title = `${route.title} · OpenKey`;
    this.frame();
    const view = route.account ? this.inside(route.view) : route.view(this.app, this.leaving.signal);
    fill(this.main, route.account && firstSight(this.app), view);
    scrollTo(0, 0);
    if (!first) (view.querySelector('h1') ?? this.main).focus();
  }

  /**
   * A view of the account, or what is needed before one can be shown.
   * @param {View} view
   */
  inside(view) {
    const { app } = this;
    if (!app.session) {
      return h(
        'div',
        { class: 'stack' },
        h('h1', { tabindex: -1 }, 'Sign in to see this'),
        app.ended ? failureNotice(app.ended) : h('p', {}, 'Keys, passkeys and history are shown to whoever holds a passkey of the account.'),
        h(
          'div',
          { class: 'row' },
          h('button', { type: 'button', class: 'primary', onclick: () => signIn(app, this.leaving.signal) }, icon('passkey'), 'Sign in'),
          !waits(app.visit) && h('a', { class: 'button', href: '#/create' }, 'Create an account'),
        ),
      );
    }
    this.confirmed = app.account?.confirmed ?? true;
    if (!this.confirmed) return unconfirmed(app, this.leaving.signal);
    return view(app, this.leaving.signal);
  }

  frame() {
    const { app } = this;
    if (this.over) return;
    const path = this.path();
    this.nav.hidden = !app.session;
    fill(
      this.nav,
      ['keys', 'sign', 'connect', 'passkeys', 'history'].map((name) =>
        h('a', { href: `#/${name}`, 'aria-current': path === name ? 'page' : null }, ROUTES[name]?.short ?? ROUTES[name]?.title),
      ),
    );
    fill(
      this.who,
      this.badge(),
      app.session
        ? h('button', { type: 'button', class: 'small', onclick: () => this.leave() }, 'Sign out')
        : path !== '' && h('button', { type: 'button', class: 'small', onclick: () => signIn(app, this.leaving.signal) }, 'Sign in'),
    );
    const report = app.visit.current?.report;
    const development = report !== undefined && (report.simulator || report.binding.root_source === 'development');
    this.ribbon.hidden = !development;
    if (development && !this.ribbon.firstChild) {
      fill(this.ribbon, h('strong', {}, 'Development enclave: it protects nothing.'), ' Use it to try things out, never for real keys.');
    }
  }

  leave() {
    const { session, unsettled } = this.app;
    const ends = session?.expiresAt ?? 0;
    const open = Math.max(0, ...unsettled.live(session?.account ?? null).map(({ until }) => until));
    // Without an event of its own: signing out opens the view.
    window.history.pushState(null, '', '#/');
    this.app.signOut();
    say(`You are signed out in this browser, in all its tabs, and what you typed is gone from them. The permission to read that this sign-in gave ends at ${minute(ends)}: until then, whoever saw it on its way, such as the host, can read your account and cannot sign with it.${open > 0 ? ` An approval that you sent may still count: look at the history after ${minute(open)}.` : ''}`, { lasts: true });
  }

  badge() {
    const { state, tone, label } = standing(this.app.visit);
    clearTimeout(this.again);
    const { until, pending } = this.app.visit;
    if (state === 'offline' || state === 'unready') this.again = setTimeout(() => this.check(), AGAIN);
    // Releases end and are withdrawn while a tab is open.
    else if (until !== null && !pending) this.again = setTimeout(() => this.check(), Math.max(SOON, until - Date.now()));
    const symbol = state === 'checking' ? 'clock' : tone === 'good' ? 'shield' : 'warning';
    return h('a', { class: `badge ${tone === 'plain' ? '' : tone}`.trim(), href: '#/verify', 'data-standing': state }, icon(symbol), label);
  }
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html lacks #${id}`);
  return found;
}
