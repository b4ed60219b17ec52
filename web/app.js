// Starts the page: where am I, whom do I talk to, which view.

import { beside } from './anchor.js';
import { Api } from './api.js';
import { h } from './dom.js';
import { App } from './state.js';
import { dropToken, Store } from './store.js';
import { failureNotice } from './ui.js';
import { Verifier } from './verifier.js';
import { Visit } from './visit.js';
import { Shell } from './shell.js';
import { blocker, taken } from './views/blocked.js';
import { foundWorkers, whenTaken } from './workers.js';

/** @param {HTMLElement} main */
async function start(main) {
  try {
    // First of all: such a program may answer everything that follows.
    if (await foundWorkers(dropToken)) {
      main.replaceChildren(taken());
      return;
    }
    const config = await Api.config();
    const store = new Store();
    const blocked = await blocker(config, beside, store.deployments());
    if (blocked) {
      main.replaceChildren(blocked);
      return;
    }
    const api = new Api(config.enclave);
    const visit = new Visit(api, config, store, Verifier.load);
    const shell = new Shell(new App(config, api, store, visit), main);
    shell.start();
    whenTaken(() => {
      shell.end(taken());
      void foundWorkers(dropToken);
    });
  } catch (error) {
    main.replaceChildren(
      h('div', { class: 'stack' }, h('h1', {}, 'OpenKey could not start'), failureNotice(error, () => start(main))),
    );
  }
}

const main = document.getElementById('main');
if (main) start(main);
