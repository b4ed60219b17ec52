// Starts the page: where am I, whom do I talk to, which view.

import { beside } from './anchor.js';
import { Api } from './api.js';
import { h } from './dom.js';
import { dropSessions } from './node/session.js';
import { App } from './state.js';
import { dropToken, Store } from './store.js';
import { failureNotice } from './ui.js';
import { Verifier } from './verifier.js';
import { Visit } from './visit.js';
import { Shell } from './shell.js';
import { blocker, taken } from './views/blocked.js';
import { foundWorkers, whenTaken } from './workers.js';

/**
 * @param {HTMLElement} main
 * @param {{ shell: Shell | null, isTaken: boolean }} page `isTaken` from when another program was found
 */
async function start(main, page) {
  /** Whether another program is there: such a program may answer everything that follows. */
  const isOver = async () => {
    if (!page.isTaken && (await foundWorkers(leave))) end(main, page);
    return page.isTaken;
  };
  try {
    if (await isOver()) return;
    const config = await Api.config();
    const store = new Store();
    const blocked = await blocker(config, beside, store.deployments());
    if (await isOver()) return;
    if (blocked) {
      main.replaceChildren(blocked);
      return;
    }
    const api = new Api(config.enclave);
    const visit = new Visit(api, config, store, Verifier.load);
    page.shell = new Shell(new App(config, api, store, visit), main);
    page.shell.start();
    // One that does not take pages that are open is told by nothing.
    await isOver();
  } catch (error) {
    if (page.isTaken) return;
    main.replaceChildren(
      h('div', { class: 'stack' }, h('h1', {}, 'OpenKey could not start'), failureNotice(error, () => start(main, page))),
    );
  }
}

/** What such a program could use is not left to it. */
function leave() {
  dropToken();
  dropSessions();
}

/**
 * Another program stands between this page and its address: nothing of the page counts any more.
 * @param {HTMLElement} main
 * @param {{ shell: Shell | null, isTaken: boolean }} page
 */
function end(main, page) {
  page.isTaken = true;
  if (page.shell) page.shell.end(taken());
  else main.replaceChildren(taken());
}

const main = document.getElementById('main');
if (main) {
  const page = { shell: null, isTaken: false };
  // Before anything is waited for: it may come at any time.
  whenTaken(() => {
    end(main, page);
    void foundWorkers(leave);
  });
  start(main, page);
}
