// Requests from one of many addresses: the loopback network has them all.

import { Agent, request as ask } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Answer, type Request, type Transport } from '../client/http.js';

/** The address of somebody, by a number; that of those who are measured is none of them. */
export const address = (number: number): string => `127.0.1.${1 + (number % 250)}`;

/** A transport whose connections come from this address. */
export const from = (url: string, localAddress: string, maxSockets = 64): Transport => {
  const agent = new Agent({ keepAlive: true, maxSockets });
  return {
    send: (mint) =>
      new Promise((resolve, reject) => {
        const { method, path, headers = {}, body }: Request = mint();
        if (body instanceof FormData) throw new Error('no forms here');
        const sent = ask(url + path, { method, headers, agent, localAddress }, (answer) => {
          const pieces: Buffer[] = [];
          answer.on('data', (piece: Buffer) => pieces.push(piece));
          answer.on('error', reject);
          answer.on('end', () => {
            resolve(new Answer(answer.statusCode ?? 0, new Headers(), new Uint8Array(Buffer.concat(pieces))));
          });
        });
        sent.on('error', reject);
        sent.end(body);
      }),
  };
};

/** A connection from this address that writes what it is told, and whose errors are nobody's. */
export const socket = (url: string, localAddress: string): Socket => {
  const { hostname, port } = new URL(url);
  const one = connect({ host: hostname, port: Number(port), localAddress });
  one.on('error', () => undefined);
  return one;
};
