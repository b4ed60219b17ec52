// Every endpoint that wants a token, with every token that it must refuse.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { base64url, fromBase64url, utf8 } from './client/bytes.js';
import { cacao, type Token } from './client/cacao.js';
import type { Answer } from './client/http.js';
import { delegate, Invoker } from './client/invoker.js';
import { Key } from './client/keys.js';
import { grants, type Attenuation } from './client/recap.js';
import { compact, jwtHeader, now, ordered, uuid, type Claims } from './client/ucan.js';
import { endpoints, revokedSession, thief, world, type Endpoint, type Refusal, type World } from './lib/endpoints.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectPlainText, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());
const on: World = await world(fleet);

const send = (endpoint: Endpoint, authorization: string | undefined): Promise<Answer> => {
  const { method = 'POST', path = '/invoke', headers = {}, body } = endpoint.ask(on);
  return fleet.send(() => ({ method, path, headers: { ...headers, ...(authorization === undefined ? {} : { Authorization: authorization }) }, ...(body === undefined ? {} : { body }) }));
};

/** A token for this endpoint by this invoker, with other claims than usual. */
const token = (endpoint: Endpoint, by: Invoker = on.alice, claims: Partial<Claims> = {}, att: Attenuation = endpoint.att(on)): Token =>
  by.token(att, { ...endpoint.ask(on).claims, ...claims });

const refused = (answer: Answer, { status, text }: Refusal): void => {
  expect(answer, status, text);
  assert.ok(answer.status >= 400, answer.toString());
};

/** A signature by another key over the same claims. */
const forge = (endpoint: Endpoint, header: object, signer: Key): Token => {
  const claims: Claims = { aud: on.alice.key.did, exp: now() + 60, nnc: uuid(), prf: [on.alice.root.cid], att: endpoint.att(on), ...endpoint.ask(on).claims };
  return compact(header, ordered(on.alice.key, claims), (bytes) => signer.sign(bytes));
};

const undecodable = (endpoint: Endpoint): [string, string][] => {
  const { header } = token(endpoint);
  const [head = '', body = '', signature = ''] = header.split('.');
  const resigned = (header_: object, claims: (json: Record<string, unknown>) => object): string =>
    compact(header_, claims(JSON.parse(new TextDecoder().decode(fromBase64url(body))) as Record<string, unknown>), (bytes) => on.alice.key.sign(bytes)).header;
  const own = jwtHeader(on.alice.key) as Record<string, unknown>;
  return [
    ['empty', ''],
    ['a word', 'nonsense'],
    ['two dots', '..'],
    ['two parts', `${head}.${body}`],
    ['four parts', `${header}.x`],
    ['another scheme', `Basic ${header}`],
    ['padding', `${head}=.${body}.${signature}`],
    ['not JSON', `${base64url(utf8('nonsense'))}.${body}.${signature}`],
    ['an array', `${head}.${base64url(utf8('[]'))}.${signature}`],
    ['typ absent', resigned({ ...own, typ: undefined }, (json) => json)],
    ['ucv 0.9.0', resigned({ ...own, ucv: '0.9.0' }, (json) => json)],
    ['ucv absent', resigned({ ...own, ucv: undefined }, (json) => json)],
    ['alg Ed25519', resigned({ ...own, alg: 'Ed25519' }, (json) => json)],
    ['no expiry', resigned(own, ({ exp: _, ...rest }) => rest)],
    ['expiry null', resigned(own, (json) => ({ ...json, exp: null }))],
    ['no proofs', resigned(own, ({ prf: _, ...rest }) => rest)],
    ['no capabilities', resigned(own, ({ att: _, ...rest }) => rest)],
    ['facts that are no list', resigned(own, (json) => ({ ...json, fct: {} }))],
    ['audience with a fragment', resigned(own, (json) => ({ ...json, aud: on.alice.key.url }))],
    ['audience that is no DID', resigned(own, (json) => ({ ...json, aud: 'https://app.example' }))],
    ['caveats []', resigned(own, (json) => ({ ...json, att: { [`${on.space}/kv/docs/a`]: { 'tinycloud.kv/get': [] } } }))],
    ['caveats {}', resigned(own, (json) => ({ ...json, att: { [`${on.space}/kv/docs/a`]: { 'tinycloud.kv/get': {} } } }))],
    ['ability without a slash', resigned(own, (json) => ({ ...json, att: { [`${on.space}/kv/docs/a`]: { get: [{}] } } }))],
    ['resource with a space', resigned(own, (json) => ({ ...json, att: { [`${on.space}/kv/docs/a b`]: { 'tinycloud.kv/get': [{}] } } }))],
    ['resource that is not ASCII', resigned(own, (json) => ({ ...json, att: { [`${on.space}/kv/docs/é`]: { 'tinycloud.kv/get': [{}] } } }))],
  ];
};

for (const endpoint of endpoints) {
  const { name } = endpoint;

  scenario(`${name}: a good token is accepted`, async () => {
    // revoked for good by the success of this endpoint
    if (name === 'revoke') return;
    expect(await send(endpoint, token(endpoint).header), endpoint.success);
    expect(await send(endpoint, `Bearer ${token(endpoint).header}`), endpoint.success);
    // the audience of an invocation is nobody's business here
    if (endpoint.ask(on).claims === undefined) expect(await send(endpoint, token(endpoint, on.alice, { aud: Key.generate().did }).header), endpoint.success);
  });

  scenario(`${name}: no token, garbage, the wrong kind`, async () => {
    expect(await send(endpoint, undefined), 401);
    for (const [what, header] of undecodable(endpoint)) {
      const answer = await send(endpoint, header);
      assert.equal(answer.status, 401, `${what}: ${answer}`);
    }
    if (name !== 'delegate' && name !== 'revoke') {
      expect(await send(endpoint, on.alice.root.header), 401);
      expect(await send(endpoint, (await cacao(on.alice.wallet, { audience: on.alice.key.url, att: endpoint.att(on) })).header), 401);
    }
  });

  scenario(`${name}: expired, not yet valid, living too long`, async () => {
    for (const claims of [{ exp: now() - 2 }, { nbf: now() + 30 }, { exp: 0 }, { exp: -1 }]) refused(await send(endpoint, token(endpoint, on.alice, claims).header), endpoint.outside);
    if (endpoint.once) {
      for (const exp of [now() + 310, now() * 1000]) refused(await send(endpoint, token(endpoint, on.alice, { exp }).header), { status: 401, text: /^Invocation lifetime exceeds server maximum$/ });
      expect(await send(endpoint, token(endpoint, on.alice, { exp: now() + 290, nbf: now() - 1 }).header), endpoint.success);
    }
  });

  scenario(`${name}: a signature of another key, or none`, async () => {
    const mallory = Key.generate();
    const own = jwtHeader(on.alice.key);
    refused(await send(endpoint, forge(endpoint, own, mallory).header), endpoint.forged);
    // the header's key is the forger's
    refused(await send(endpoint, forge(endpoint, { ...own, jwk: mallory.jwk }, mallory).header), { status: endpoint.forged.status });
    const { header } = token(endpoint);
    const [head, body, signature = ''] = header.split('.');
    const bits = fromBase64url(signature);
    bits[0] = (bits[0] ?? 0) ^ 1;
    refused(await send(endpoint, `${head}.${body}.${base64url(bits)}`), endpoint.forged);
    refused(await send(endpoint, `${head}.${body}.`), { status: [401, 403] });
    for (const alg of ['none', 'HS256', 'ES256K']) refused(await send(endpoint, forge(endpoint, { ...own, alg }, on.alice.key).header), { status: [401, 403] });
  });

  scenario(`${name}: a stranger who cites the session, and a session that nobody posted`, async () => {
    refused(await send(endpoint, token(endpoint, thief(on)).header), endpoint.stranger);
    const unposted = on.alice.delegation(on.alice.key.did, endpoint.att(on));
    const answer = await send(endpoint, token(endpoint, new Invoker(fleet, on.alice.key, [unposted.cid])).header);
    // status: whoever gave a delegation may ask about it by that alone
    if (name === 'delegation status') return;
    refused(answer, { status: [401, 403, 404], ...((endpoint.once && name !== 'delegation query') || name === 'delegate' ? { text: /^Cannot find parent delegation/ } : {}) });
    refused(await send(endpoint, token(endpoint, new Invoker(fleet, Key.generate(), [])).header), { status: [401, 403] });
  });

  scenario(`${name}: another's space, a path beside, another ability`, async () => {
    if (name.startsWith('delegation') || name === 'revoke') return;
    const att = endpoint.att(on);
    // somebody else's session on Alice's resources
    refused(await send(endpoint, token(endpoint, on.mallory).header), { ...endpoint.uncovered });
    // a narrower delegation than what is asked, and one of another ability on the same
    const key = Key.generate();
    const elsewhere = Object.fromEntries(Object.keys(att).map((resource) => [`${resource.replace(/\/[^/]*$/, '')}/elsewhere/`, att[resource] ?? {}]));
    const other = Object.fromEntries(Object.keys(att).map((resource) => [resource, { [`tinycloud.${resource.split('/')[1]}/other`]: [{}] }]));
    const owner = await cacao(on.alice.wallet, { audience: key.url, att: { ...elsewhere, ...other } });
    expect(await delegate(fleet, owner), 200);
    const narrow = new Invoker(fleet, key, [owner.cid]);
    refused(await send(endpoint, token(endpoint, narrow).header), endpoint.uncovered);
  });

  scenario(`${name}: a session that was revoked`, async () => {
    const session = await revokedSession(on);
    const answer = await send(endpoint, token(endpoint, session).header);
    expect(answer, endpoint.revoked.status, endpoint.revoked.text);
  });

  scenario(`${name}: the same token twice`, async () => {
    if (name === 'revoke') return;
    const { header } = token(endpoint);
    await fleet.calm(async () => {
      expect(await send(endpoint, header), endpoint.success);
      for (let i = 0; i < 2; i += 1) {
        const again = await send(endpoint, header);
        if (endpoint.once) expect(again, 409, 'duplicate invocation');
        else expect(again, endpoint.success);
      }
    });
  });
}

scenario('a token that is written in another way is the same token', async () => {
  const { header } = on.alice.token(grants({ [`${on.space}/kv/again`]: ['tinycloud.kv/put'] }));
  const put = (authorization: string) => fleet.send(() => ({ method: 'POST', path: '/invoke', headers: { Authorization: authorization }, body: 'x' }));
  expect(await put(header), 200);
  expect(await put(`Bearer ${header}`), 409, 'duplicate invocation');
  // 64 bytes end in a character of which four bits mean nothing
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = digits.indexOf(header.slice(-1));
  for (let bits = 1; bits < 16; bits += 1) expect(await put(header.slice(0, -1) + digits[last ^ bits]), [401, 409]);
});

scenario('what was refused for what is there now is used up as well', async () => {
  const put = grants({ [`${on.space}/kv/refused`]: ['tinycloud.kv/put'] });
  const del = grants({ [`${on.space}/kv/refused`]: ['tinycloud.kv/del'] });
  const [condition, absent, write] = [on.alice.token(put), on.alice.token(del), on.alice.token(grants({ [`${on.space}/sql/docs`]: ['tinycloud.sql/write'] }))];
  const unless = { body: 'x', headers: { 'If-None-Match': '*' } };
  const broken = { body: JSON.stringify({ action: 'execute', sql: 'INSERT INTO later VALUES (1)', params: [] }) };
  expect(await on.alice.present(absent), 404);
  expect(await on.alice.kv().put('refused', 'value'), 200);
  expect(await on.alice.present(condition, unless), 412);
  expect(await on.alice.present(write, broken), 400);
  // now they would succeed
  expect(await on.alice.present(absent), 409, 'duplicate invocation');
  expect(await on.alice.kv().get('refused'), 200, 'value');
  expect(await on.alice.kv().del('refused'), 200);
  expect(await on.alice.present(condition, unless), 409, 'duplicate invocation');
  expect(await on.alice.kv().get('refused'), 404);
  expect(await on.alice.sql('docs').execute('CREATE TABLE later (a)'), 200);
  expect(await on.alice.present(write, broken), 409, 'duplicate invocation');
});

scenario('revoke: a good token is accepted, twice', async () => {
  const endpoint = endpoints.find(({ name }) => name === 'revoke');
  assert.ok(endpoint);
  const { header } = token(endpoint);
  for (let i = 0; i < 2; i += 1) assert.deepEqual(expect(await send(endpoint, header), 200).json(), { revoked: true, cid: on.target.cid });
});

scenario('status and query look at the one capability that they are for', async () => {
  const json = { 'Content-Type': 'application/json' };
  const status = (att: Attenuation, body: string) => on.alice.invoke(att, { path: '/delegation/status', headers: json, body });
  const cid = on.target.cid;
  const right = grants({ [`urn:cid:${cid}`]: ['tinycloud.delegation/status'] });
  const body = JSON.stringify({ cid });
  expect(await status(grants({ [`urn:cid:${on.alice.root.cid}`]: ['tinycloud.delegation/status'] }), body), 403, /Status invocation is not bound to the requested CID/);
  expect(await status({ ...right, ...grants({ [`${on.space}/kv/a`]: ['tinycloud.kv/get'] }) }, body), 403);
  expect(await status(grants({ [`urn:cid:${cid}`]: ['tinycloud.delegation/revoke'] }), body), 403);
  expect(await status(grants({ 'urn:cid:nonsense': ['tinycloud.delegation/status'] }), JSON.stringify({ cid: 'nonsense' })), 400, /Invalid delegation CID/);
  for (const odd of ['', '{}', 'x', '{"cid":1}']) expect(await status(right, odd), [400, 422]);
  for (const ability of ['tinycloud.delegation/status', 'tinycloud.kv/list']) {
    expect(await on.alice.one(`${on.account}/delegation/`, ability, { path: '/delegation/query', headers: json, body: '{"direction":"all"}' }), 403);
  }
  expect(await on.alice.one(`${on.account}/delegation`, 'tinycloud.delegation/list', { path: '/delegation/query', headers: json, body: '{"direction":"all"}' }), 403);
});

scenario('refusals are plain text', async () => {
  for (const endpoint of endpoints) {
    if (endpoint.name === 'delegation status') continue;
    expectPlainText(await send(endpoint, token(endpoint, on.alice, { exp: now() - 2 }).header));
  }
});
