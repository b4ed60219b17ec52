// A hostile relay between page and enclave: reads and changes requests and replies.

import { decode, encode } from '../../../web/cbor.js';

/**
 * @param {import('playwright-core').Page} page
 * @param {{ request?: (request: any) => any, reply?: (reply: any, request: any) => any }} change
 *   each gets a decoded message and returns what goes on in its place (undefined: unchanged)
 */
export async function relay(page, { request = () => undefined, reply = () => undefined }) {
  await page.route('**/api/v1/enclaves/**', async (route) => {
    const bytes = route.request().postDataBuffer() ?? Buffer.alloc(0);
    const asked = decode(new Uint8Array(bytes));
    const changed = await request(asked);
    const response = await route.fetch(changed === undefined ? {} : { postData: Buffer.from(encode(changed)) });
    const type = response.headers()['content-type'] ?? '';
    if (response.status() !== 200 || !type.startsWith('application/cbor')) {
      await route.fulfill({ response });
      return;
    }
    const answer = decode(new Uint8Array(await response.body()));
    const other = await reply(answer, asked);
    await route.fulfill({ response, body: Buffer.from(encode(other ?? answer)) });
  });
}

/** @param {import('playwright-core').Page} page */
export const honest = (page) => page.unroute('**/api/v1/enclaves/**');
