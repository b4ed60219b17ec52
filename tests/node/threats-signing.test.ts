// Signed bytes and what is made of them: threats A2 to A12, as far as they reach a node.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { base64url, fromHex, utf8 } from './client/bytes.js';
import { cacao, encodeCacao, iso, payload, signCacao, tokenOf, type Token } from './client/cacao.js';
import { capabilities, query, type Capabilities, type Page } from './client/delegations.js';
import { delegate, Invoker, type Delegated } from './client/invoker.js';
import { canonical } from './client/json.js';
import { Key } from './client/keys.js';
import { Kv } from './client/kv.js';
import { grants, recapUri, sentence } from './client/recap.js';
import { defaultGrants, host, SESSION, signIn } from './client/session.js';
import { message, type Payload } from './client/siwe.js';
import { compact, jwtHeader, now, ordered, uuid } from './client/ucan.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectMissing, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());
const alice = await signIn(fleet, new Wallet());
expect(await alice.kv().put('a', 'secret'), 200);

const get = grants({ [`${alice.space}/kv/`]: ['tinycloud.kv/get'] });
const wide = grants({ [`${alice.space}/kv`]: ['tinycloud.kv/get', 'tinycloud.kv/put'] });
const fields = (): Payload => payload(alice.wallet, { audience: Key.generate().url, att: get, expires: iso(Date.now() + SESSION), notBefore: iso(Date.now() - 60_000) });

/** Signed as they are, sent with other members. */
const drifted = async (sent: object, from = fields()): Promise<Token> => signCacao(alice.wallet, from, sent);
const refused = async (token: Token): Promise<void> => void expect(await delegate(fleet, token), 401);

scenario('a2_times_and_nonces_other_than_those_signed_are_refused', async () => {
  expect(await delegate(fleet, await drifted({})), 200);
  for (const sent of [{ iat: iso(Date.now() + 1000) }, { exp: iso(Date.now() + 2 * SESSION) }, { nbf: iso(Date.now() - 120_000) }, { nonce: 'anotherNonce1234' }]) {
    await refused(await drifted(sent));
  }
  // left out after signing
  for (const name of ['exp', 'nbf', 'statement', 'resources']) {
    const signed = fields();
    const signature = fromHex(await alice.wallet.sign(message(signed)));
    const sent = Object.fromEntries(Object.entries(signed).filter(([member]) => member !== name));
    await refused(tokenOf(encodeCacao(sent, signature)));
  }
});

scenario('a2_a_time_is_taken_as_it_was_written', async () => {
  // the same instant, in other words, is another text
  const signed = { ...fields(), iat: '2026-01-01T00:00:00.000Z' };
  await refused(await drifted({ iat: '2026-01-01T00:00:00Z' }, signed));
  expect(await delegate(fleet, await drifted({}, signed)), 200);
  expect(await delegate(fleet, await drifted({}, { ...fields(), iat: '2026-01-01T01:00:00+01:00' })), 200);
});

scenario('a3_the_key_in_a_header_does_not_stand_for_another_principal', async () => {
  const mallory = Key.generate();
  const att = grants({ [`${alice.space}/kv/a`]: ['tinycloud.kv/get'] });
  const claims = { aud: alice.key.did, exp: now() + 60, nnc: uuid(), prf: [alice.root.cid], att };
  for (const header of [jwtHeader(mallory), { ...jwtHeader(alice.key), jwk: mallory.jwk }, { ...jwtHeader(mallory), jwk: alice.key.jwk }]) {
    const forged = compact(header, ordered(alice.key, claims), (bytes) => mallory.sign(bytes));
    expect(await alice.present(forged), 401);
  }
  // an account is not proven by a session key that says it is one
  for (const iss of [alice.wallet.did, `${alice.wallet.did}#blockchainAccountId`]) {
    const posing = compact(jwtHeader(mallory), ordered(mallory, { ...claims, iss, prf: [] }), (bytes) => mallory.sign(bytes));
    expect(await alice.present(posing), 401);
    expect(await delegate(fleet, posing), 401);
  }
});

scenario('a4_what_the_sentence_does_not_say_is_not_granted', async () => {
  const said = sentence(get);
  for (const statement of [said.replace("'get'", "'put'"), said.replace('(1) ', ''), `${said} `, said.slice(0, -1), 'I agree.', '', `${said}\u00a0`]) {
    await refused(await drifted({}, { ...fields(), statement }));
  }
  const { statement: _, ...silent } = fields();
  await refused(await drifted({}, silent));
  // shown: one ability; granted: two
  await refused(await drifted({}, { ...fields(), statement: said, resources: [recapUri(wide)] }));
  // shown: two; granted: one
  await refused(await drifted({}, { ...fields(), statement: sentence(wide) }));
});

scenario('a5_a_caveat_that_an_endpoint_does_not_know_refuses', async () => {
  const account = alice.wallet.space('account');
  const list = async (caveat: object) => {
    const key = Key.generate();
    const token = alice.delegation(key.did, { [`${account}/delegation/`]: { 'tinycloud.delegation/list': [caveat as never] } }, { exp: Math.floor(now()) + 60 });
    expect(await delegate(fleet, token), 200);
    return query(new Invoker(fleet, key, [token.cid]), account, {});
  };
  expect(await list({}), 200);
  for (const caveat of [{ path: 'a' }, { type: 'xyz.tinycloud.resource/selector', kind: 'exact', value: 'a' }]) expect(await list(caveat), 403, /A caveat of the delegation does not allow this/);
});

scenario('a3_a_fact_is_given_once', async () => {
  const twice = { fct: [{ sqlCaveats: null }, { sqlCaveats: { readOnly: true } }] };
  const sql = alice.sql('facts');
  expect(await sql.action(['tinycloud.sql/write'], { action: 'execute', sql: 'CREATE TABLE t (a)' }, twice), 400, 'The fact sqlCaveats is given twice');
  const hash = '0'.repeat(64);
  expect(await alice.one(alice.kv().resource('a'), 'tinycloud.kv/put', { body: 'x', claims: { fct: [{ bodyHash: hash }, { bodyHash: hash }] } }), 400, 'The fact bodyHash is given twice');
  expect(await capabilities(alice, alice.space, undefined), 200);
  expect(await alice.one(`${alice.space}/capabilities/all`, 'tinycloud.capabilities/read', { claims: { fct: [{ capabilitiesReadParams: null }, { capabilitiesReadParams: null }] } }), 400, 'The fact capabilitiesReadParams is given twice');
});

scenario('a5_a_caveat_is_kept_or_the_child_is_refused', async () => {
  const statements = { mode: 'constrained-statements', readOnly: true, statements: [{ name: 'one', sql: 'SELECT a FROM t WHERE a = ?', fixedParams: [{ index: 0, value: 1 }] }] };
  const resource = `${alice.space}/sql/caveats`;
  const bob = Key.generate();
  const given = alice.delegation(bob.did, { [resource]: { 'tinycloud.sql/read': [statements] } });
  expect(await delegate(fleet, given), 200);
  const by = new Invoker(fleet, bob, [given.cid]);
  const child = (caveats: typeof statements[] | object[]) => by.delegation(Key.generate().did, { [resource]: { 'tinycloud.sql/read': caveats as never } }, { exp: Math.floor(now()) + 60 });
  expect(await delegate(fleet, child([statements])), 200);
  const [statement] = statements.statements;
  const narrower = { ...statements, statements: [{ ...statement, fixedParams: [...(statement?.fixedParams ?? []), { index: 1, value: 2 }] }] };
  expect(await delegate(fleet, child([narrower])), 200);
  for (const caveats of [
    [{}],
    [statements, {}],
    [{ ...statements, readOnly: false }],
    [{ ...statements, mode: 'other' }],
    [{ ...statements, statements: [{ ...statement, sql: 'SELECT a FROM t' }] }],
    [{ ...statements, statements: [{ ...statement, fixedParams: [] }] }],
    [{ ...statements, statements: [...statements.statements, { name: 'two', sql: 'SELECT 1', fixedParams: [] }] }],
  ]) {
    expect(await delegate(fleet, child(caveats)), 401, /^child-caveats-not-subset-of-parent: |^Unauthorized Capability: /);
  }
  // a caveat that no sentence can say is not signed by a wallet
  const att = { [resource]: { 'tinycloud.sql/read': [statements] } };
  await refused(await drifted({}, { ...fields(), statement: sentence(att), resources: [recapUri(att)] }));
});

scenario('a6_no_ability_comes_back_on_the_way_down', async () => {
  const bob = Key.generate();
  const given = alice.delegation(bob.did, get);
  // a path that is empty covers nothing but itself
  expect(await delegate(fleet, given), 200);
  const by = new Invoker(fleet, bob, [given.cid]);
  for (const att of [wide, grants({ [`${alice.space}/kv/`]: ['tinycloud.kv/get', 'tinycloud.kv/put'] }), grants({ [`${alice.space}/kv/`]: ['tinycloud.kv/get'], [`${alice.space}/sql`]: ['tinycloud.sql/read'] })]) {
    expect(await delegate(fleet, by.delegation(Key.generate().did, att, { exp: Math.floor(now()) + 60 })), 401, /^Unauthorized Capability: /);
  }
  expectMissing(await new Kv(by, alice.space).put('a', 'x'), `${alice.space}/kv/a`, 'tinycloud.kv/put');
});

scenario('a7_no_line_of_the_message_drifts', async () => {
  const more = { request_id: 'request', ...fields() };
  const other = Key.generate().url;
  for (const sent of [{ domain: 'evil.example' }, { aud: other }, { request_id: 'another' }, { request_id: '' }, { resources: [...(more.resources ?? []), 'https://app.example'] }, { resources: [recapUri(wide)] }, { statement: `Sure. ${more.statement}` }, { scheme: 'https' }, { version: 2 }, { version: '1' }]) {
    await refused(await drifted(sent, more));
  }
  expect(await delegate(fleet, await drifted({}, more)), 200);
  expect(await delegate(fleet, await drifted({ unknown: 'member' }, more)), 200);
});

scenario('a9_a_recap_that_is_broken_or_out_of_place_grants_nothing', async () => {
  const key = Key.generate();
  const from = { ...fields(), aud: key.url };
  const recap = (json: string) => `urn:recap:${base64url(utf8(json))}`;
  const own = `${alice.space}/kv/`;
  const broken = [
    recap('nonsense'), recap('[]'), recap('{}'), 'urn:recap:', 'urn:recap:!!', recap(canonical({ att: get as never })), recap(canonical({ prf: [] })),
    recap(`{"att":{"${own}":{"tinycloud.kv/get":[]}},"prf":[]}`), recap(`{"att":{"${own}":{"tinycloud.kv/get":[{"x":1}]}},"prf":[]}`),
    recap(`{"att":{"${own}":{"get":[{}]}},"prf":[]}`), recap(`{"att":{"${own}":{"tinycloud.kv/get":[{}]}},"prf":["bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima"]}`),
    recap(`{"att":{"${own}":{"tinycloud.kv/get":[{}]},"${own}":{"tinycloud.kv/put":[{}]}},"prf":[]}`),
  ];
  for (const resource of broken) await refused(await drifted({}, { ...from, resources: [resource] }));
  // not last: the sign-in is good, and grants nothing
  const moved = await drifted({}, { ...from, resources: [recapUri(get), 'https://app.example'] });
  const answer = await delegate(fleet, moved);
  expect(answer, [200, 401]);
  if (answer.status === 200) assert.deepEqual(answer.json<Delegated>().activated, []);
  expect(await new Kv(new Invoker(fleet, key, [moved.cid]), alice.space).get('a'), 401);
});

scenario('a11_what_was_sent_is_what_is_kept', async () => {
  const person = await signIn(fleet, new Wallet());
  const token = person.delegation(Key.generate().did, grants({ [`${person.space}/kv/a`]: ['tinycloud.kv/get'] }));
  assert.equal(expect(await delegate(fleet, token), 200).json<Delegated>().cid, token.cid);
  const kept = expect(await capabilities(person, person.space), 200).json<Capabilities>();
  assert.deepEqual([kept[token.cid]?.raw, kept[person.root.cid]?.raw], [token.header, person.root.header]);
  expect(await host(fleet, person.wallet, person.wallet.space('account')), 200);
  const page = expect(await query(person, person.wallet.space('account'), { direction: 'granted' }), 200).json<Page>();
  assert.ok(page.items.some(({ cid }) => cid === person.root.cid));
});

scenario('a12_a_signature_of_another_wallet_or_over_other_bytes_is_refused', async () => {
  const mallory = new Wallet();
  const from = fields();
  const mine = fromHex(await alice.wallet.sign(message(from)));
  const theirs = fromHex(await mallory.sign(message(from)));
  await refused(tokenOf(encodeCacao(from, theirs)));
  await refused(tokenOf(encodeCacao({ ...from, iss: mallory.did }, mine)));
  await refused(tokenOf(encodeCacao({ ...from, iss: alice.key.did }, mine)));
  await refused(tokenOf(encodeCacao({ ...from, iss: from.iss.replace(':1:', ':10:') }, mine)));
  await refused(tokenOf(encodeCacao(from, mine.slice(0, 64))));
  await refused(tokenOf(encodeCacao(from, new Uint8Array(65))));
  const v = (value: number) => Uint8Array.from([...mine.slice(0, 64), value]);
  await refused(tokenOf(encodeCacao(from, v(29))));
  const last = mine[64] ?? 27;
  for (const value of [last - 27, last, last + 27]) expect(await delegate(fleet, tokenOf(encodeCacao(from, v(value)))), 200);
  await refused(tokenOf(encodeCacao(from, v(last === 27 ? 28 : 27))));
  // a sign-in of Mallory does not open what is Alice's
  expect(await delegate(fleet, await cacao(mallory, { audience: Key.generate().url, att: defaultGrants(alice.wallet) })), 401);
});
