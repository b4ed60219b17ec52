// A hostile host: serves other files than the deployment's beside the page, answers with other views
// of an account, and hides records, all from a proxy inside the browser's network.

import { decode, encode } from '../../../web/cbor.js';

/**
 * @typedef {object} Acts what a hostile host does; what it does not name it carries as it is
 * @property {Uint8Array | string | object | null} [anchor] served as `/anchor.json`; null: there is none
 * @property {string | object | null} [releases] served as `/releases.json`
 * @property {(config: any) => any} [config] changes `/config.json`
 * @property {(nonce: Uint8Array) => Uint8Array} [evidence] makes documents in the enclave's place
 * @property {(view: any) => any} [account] changes an account's view on its way
 * @property {(page: any) => any} [history] changes a page of the history on its way
 * @property {(request: any) => boolean} [hide] whether a record is hidden from this request: the host
 *   answers "unknown account" in the enclave's place
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
  const { evidence, account, history, hide } = acts;
  if (!evidence && !account && !history && !hide) return;
  await page.route('**/api/v1/enclaves/**', async (route) => {
    const asked = /** @type {any} */ (decode(new Uint8Array(route.request().postDataBuffer() ?? Buffer.alloc(0))));
    const reply = (/** @type {object} */ answer) => route.fulfill({ status: 200, contentType: 'application/cbor', body: Buffer.from(encode(answer)) });
    if (evidence && asked.evidence) return reply({ ok: { evidence: { document: new Uint8Array(evidence(asked.evidence.nonce)) } } });
    if (hide?.(asked)) return reply({ error: { code: 'unknown_account', message: 'There is no such account.', advice: 'Create one.' } });
    const response = await route.fetch();
    if (response.status() !== 200) return route.fulfill({ response });
    const answer = /** @type {any} */ (decode(new Uint8Array(await response.body())));
    if (account && answer.ok?.account) answer.ok.account = account(answer.ok.account);
    if (history && answer.ok?.history) answer.ok.history = history(answer.ok.history);
    return route.fulfill({ response, body: Buffer.from(encode(answer)) });
  });
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
