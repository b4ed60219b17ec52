// Tokens that a wallet signs: an ERC-4361 message as DAG-CBOR (CAIP-74).

import { encode } from 'cborg';
import { base64urlPadded, fromHex } from './bytes.js';
import { cidOf } from './cid.js';
import { recapUri, sentence, type Attenuation } from './recap.js';
import { message, type Payload } from './siwe.js';
import type { Wallet } from './wallet.js';

/** A token as a header carries it, with its name. */
export interface Token {
  header: string;
  cid: string;
}

/** What a wallet is asked to sign; what is absent gets a value of its own. */
export interface SignIn {
  /** The line `URI:`. */
  audience: string;
  att?: Attenuation;
  /** In base32. */
  proofs?: readonly string[];
  /** Text before the generated sentence. */
  preface?: string;
  domain?: string;
  nonce?: string;
  issued?: string;
  expires?: string;
  notBefore?: string;
}

/** Text of 16 letters and digits. */
export const nonce = (): string => Array.from({ length: 16 }, () => Math.floor(Math.random() * 36).toString(36)).join('');

/** A time as clients write it. */
export const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** The payload of a sign-in. */
export const payload = (wallet: Wallet, ask: SignIn): Payload => ({
  domain: ask.domain ?? 'app.example',
  iss: wallet.did,
  aud: ask.audience,
  version: 1,
  nonce: ask.nonce ?? nonce(),
  iat: ask.issued ?? iso(Date.now()),
  ...(ask.expires === undefined ? {} : { exp: ask.expires }),
  ...(ask.notBefore === undefined ? {} : { nbf: ask.notBefore }),
  ...(ask.att === undefined
    ? {}
    : {
        statement: (ask.preface === undefined ? '' : `${ask.preface} `) + sentence(ask.att),
        resources: [recapUri(ask.att, ask.proofs)],
      }),
});

/** The bytes of a token; any payload and any signature, so that tests can forge them. */
export const encodeCacao = (fields: object, signature: Uint8Array): Uint8Array =>
  encode({ h: { t: 'eip4361' }, p: fields, s: { t: 'eip191', s: signature } });

/** The token of these bytes. */
export const tokenOf = (bytes: Uint8Array): Token => ({ header: base64urlPadded(bytes), cid: cidOf(bytes) });

/** Lets the wallet sign this payload; `sent` replaces members afterwards, as a forger does. */
export const signCacao = async (wallet: Wallet, fields: Payload, sent: object = {}): Promise<Token> => {
  const signature = fromHex(await wallet.sign(message(fields)));
  return tokenOf(encodeCacao({ ...fields, ...sent }, signature));
};

/** Signs in, hosts or revokes. */
export const cacao = (wallet: Wallet, ask: SignIn): Promise<Token> => signCacao(wallet, payload(wallet, ask));
