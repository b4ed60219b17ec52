// A host's front that serves files of its own making beside the page, from an address of its own. Unlike a route of
// the browser's, it also serves what a browser asks for without a page, such as a service worker.

import { once } from 'node:events';
import { createServer, request } from 'node:http';

/** @typedef {{ type: string, body: string, headers?: Record<string, string> }} Own */

/**
 * @param {string} page the address of the real page
 * @param {Record<string, Own>} own files by their path; changed at any time
 */
export async function front(page, own) {
  const { port, host } = new URL(page);
  const server = createServer((asked, answer) => {
    const file = own[String(asked.url)];
    if (file) {
      answer.writeHead(200, { 'content-type': file.type, ...file.headers });
      answer.end(file.body);
      return;
    }
    const onward = request({ host: '127.0.0.1', port, method: asked.method, path: asked.url, headers: { ...asked.headers, host } }, (response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        let body = Buffer.concat(chunks);
        const headers = { ...response.headers };
        if (asked.url === '/config.json') body = Buffer.from(JSON.stringify({ ...JSON.parse(String(body)), origin: address }));
        delete headers['content-length'];
        delete headers['transfer-encoding'];
        answer.writeHead(response.statusCode ?? 502, headers);
        answer.end(body);
      });
    });
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const address = `http://localhost:${typeof bound === 'object' && bound ? bound.port : 0}`;
  return {
    address,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
