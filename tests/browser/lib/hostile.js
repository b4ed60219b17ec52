// A hostile host: serves other files than the deployment's beside the page, and documents of its own
// making, from a proxy inside the browser's network. What it can do to answers is in relay.js.

import { relay } from './relay.js';

/**
 * @typedef {object} Acts what a hostile host does; what it does not name it carries as it is
 * @property {Uint8Array | string | object | null} [anchor] served as `/anchor.json`; null: there is none
 * @property {string | object | null} [releases] served as `/releases.json`
 * @property {(config: any) => any} [config] changes `/config.json`
 * @property {(nonce: Uint8Array) => Uint8Array} [evidence] makes documents in the enclave's place
 */

/**
 * Acts from now on; called again, acts otherwise. A failing act fails the request, which a test sees.
 * @param {import('playwright-core').Page} page
 * @param {Acts} acts
 */
export async function hostile(page, acts) {
  await honestAgain(page);
  const { anchor, releases, config } = acts;
  if (anchor !== undefined) await page.route('**/anchor.json', (route) => serve(route, anchor));
  if (releases !== undefined) await page.route('**/releases.json', (route) => serve(route, releases));
  if (config) {
    await page.route('**/config.json', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: config(await response.json()) });
    });
  }
  const { evidence } = acts;
  if (evidence) {
    await relay(page, {
      reply: (_, asked) => asked.evidence && { reply: { bare: { evidence: { document: new Uint8Array(evidence(asked.evidence.nonce)) } } } },
    });
  }
}

/** Carries everything as it is. @param {import('playwright-core').Page} page */
export async function honestAgain(page) {
  for (const path of ['**/anchor.json', '**/releases.json', '**/config.json', '**/api/v1/enclaves/**']) await page.unroute(path);
}

/**
 * @param {import('playwright-core').Route} route
 * @param {Uint8Array | string | object | null} content
 */
function serve(route, content) {
  if (content === null) return route.fulfill({ status: 404, json: { code: 'not_found' } });
  const body = typeof content === 'string' ? content : content instanceof Uint8Array ? Buffer.from(content) : JSON.stringify(content);
  return route.fulfill({ status: 200, contentType: 'application/json', body });
}
