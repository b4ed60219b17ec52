// A hostile relay between page and enclave: reads and changes requests and replies. It has no key of
// the enclave: an answer that it changes keeps the signature it had.

import { decode, encode } from '../../../web/cbor.js';

/**
 * @param {import('playwright-core').Page} page
 * @param {{ request?: (request: any) => any, reply?: (said: any, request: any, reply: any) => any }} change
 *   `request` gets what is asked and returns what goes on in its place, in the same envelope;
 *   `reply` gets what the enclave answers (`{ ok }` or `{ refused }`; null if it is unsigned), the
 *   request, and the whole reply. It returns another answer, or `{ reply }` for a whole other reply.
 *   undefined: unchanged
 */
export async function relay(page, { request = () => undefined, reply = () => undefined }) {
  await page.route('**/api/v1/enclaves/**', async (route) => {
    const bytes = route.request().postDataBuffer() ?? Buffer.alloc(0);
    const call = /** @type {any} */ (decode(new Uint8Array(bytes)));
    const changed = await request(call.request);
    const response = await route.fetch(changed === undefined ? {} : { postData: Buffer.from(encode({ ...call, request: changed })) });
    const type = response.headers()['content-type'] ?? '';
    if (response.status() !== 200 || !type.startsWith('application/cbor')) {
      await route.fulfill({ response });
      return;
    }
    const whole = /** @type {any} */ (decode(new Uint8Array(await response.body())));
    const body = whole.answer && /** @type {any} */ (decode(whole.answer.body));
    const other = await reply(body?.result ?? null, call.request, whole);
    let sent = whole;
    if (other?.reply) sent = other.reply;
    else if (other) sent = { answer: { ...whole.answer, body: encode({ ...body, result: other }) } };
    await route.fulfill({ response, body: Buffer.from(encode(sent)) });
  });
}

/** A refusal that no enclave ever spoke. @param {string} code */
export const invented = (code) => ({ reply: { bare: { refused: { code, message: 'The host says so.', advice: 'Create a new account.' } } } });

/** @param {import('playwright-core').Page} page */
export const honest = (page) => page.unroute('**/api/v1/enclaves/**');
