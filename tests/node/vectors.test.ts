// The client writes tokens byte for byte as present clients do: the vectors of `capability`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBase64url, fromHex, utf8 } from './client/bytes.js';
import { encodeCacao, tokenOf } from './client/cacao.js';
import { base58Cid, cidOf } from './client/cid.js';
import { Key } from './client/keys.js';
import { recapUri, sentence, type Attenuation } from './client/recap.js';
import { message, type Payload } from './client/siwe.js';
import { ucan } from './client/ucan.js';
import { Wallet } from './client/wallet.js';

/** The directory of this package; compiled tests lie one below. */
const data = join(process.cwd(), '../../capability/tests/data');
const read = <T>(name: string): T => JSON.parse(readFileSync(join(data, name), 'utf8')) as T;

interface SignInVector {
  name: string;
  text: string;
  signature: string;
  cid: string;
  base58?: string;
  length: number;
  header: string | null;
  issuer: string;
  audience: string;
  nonce: string;
  recap: { att: Attenuation; prf: string[] } | null;
}

interface UcanVector {
  name: string;
  seed: number;
  audience: string;
  expires: number;
  nonce: string;
  proof: string;
  resource: string;
  ability: string;
  cid: string;
  token: string;
}

interface ResourceVector {
  text: string;
  kind: string;
  canonical?: string;
}

/** The account that signed the vectors: the first one of Hardhat. */
const owner = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80');

const line = (text: string, label: string): string | undefined => text.split('\n').find((one) => one.startsWith(label))?.slice(label.length);

const payloadOf = (vector: SignInVector): Payload => {
  const expires = line(vector.text, 'Expiration Time: ');
  return {
    domain: vector.text.split(' ')[0] ?? '',
    iss: vector.issuer,
    aud: vector.audience,
    version: 1,
    nonce: vector.nonce,
    iat: line(vector.text, 'Issued At: ') ?? '',
    ...(expires === undefined ? {} : { exp: expires }),
    ...(vector.recap === null ? {} : { statement: sentence(vector.recap.att), resources: [recapUri(vector.recap.att)] }),
  };
};

for (const vector of read<SignInVector[]>('cacao.json')) {
  test(`sign-in vector: ${vector.name}`, async () => {
    const fields = payloadOf(vector);
    assert.equal(message(fields), vector.text);
    assert.equal(await owner.sign(message(fields)), `0x${vector.signature}`);
    const bytes = encodeCacao(fields, fromHex(vector.signature));
    const token = tokenOf(bytes);
    assert.equal(bytes.length, vector.length);
    assert.equal(token.cid, vector.cid);
    if (vector.header !== null) assert.equal(token.header, vector.header);
    if (vector.base58 !== undefined) assert.equal(base58Cid(token.cid), vector.base58);
    assert.deepEqual(new Uint8Array(fromBase64url(token.header)), new Uint8Array(bytes));
  });
}

for (const vector of read<UcanVector[]>('ucan.json')) {
  test(`UCAN vector: ${vector.name}`, () => {
    const key = Key.fromSeed(new Uint8Array(32).fill(vector.seed));
    const token = ucan(key, {
      aud: vector.audience,
      exp: vector.expires,
      nnc: vector.nonce,
      prf: [vector.proof],
      att: { [vector.resource]: { [vector.ability]: [{}] } },
    });
    assert.equal(token.header, vector.token);
    assert.equal(token.cid, vector.cid);
    assert.equal(cidOf(utf8(vector.token)), vector.cid);
  });
}

test('resources of the vectors that name an account are spelled as the client spells them', () => {
  const { parse } = read<{ parse: ResourceVector[] }>('resources.json');
  const own = parse.filter(({ kind, text }) => kind === 'space' && text.startsWith(`${owner.space()}/kv/`));
  assert.ok(own.length > 5);
  for (const { text, canonical } of own) assert.equal(text, canonical);
  const network = parse.find(({ kind, text }) => kind === 'network' && text.includes(owner.address));
  assert.equal(network?.text, owner.network('main'));
});

test('a key survives being written as a JWK', () => {
  const key = Key.generate();
  const again = Key.fromJwk(key.privateJwk());
  assert.equal(again.url, key.url);
  assert.deepEqual(again.sign(utf8('a')), key.sign(utf8('a')));
});
