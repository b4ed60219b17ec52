// Names and what matches them: threats B1 to B11, D17.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { cacao, iso } from './client/cacao.js';
import { delegate, Invoker, type Delegated } from './client/invoker.js';
import { Key } from './client/keys.js';
import { Kv } from './client/kv.js';
import { grants } from './client/recap.js';
import { defaultGrants, host, hosting, signIn, type Session } from './client/session.js';
import { Sql, type Rows } from './client/sql.js';
import { now } from './client/ucan.js';
import { get, publicPath } from './client/urls.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectMissing, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());
const alice = await signIn(fleet, new Wallet());
const kv = alice.kv();
expect(await kv.put('a/b', 'value'), 200);

/** Somebody to whom Alice's wallet granted this. */
const holder = async (wanted: Record<string, readonly string[]>): Promise<Invoker> => {
  const key = Key.generate();
  const token = await cacao(alice.wallet, { audience: key.url, att: grants(wanted), expires: iso(Date.now() + 3600_000) });
  expect(await delegate(fleet, token), 200);
  return new Invoker(fleet, key, [token.cid]);
};

scenario('b1_no_other_spelling_of_a_path_reaches_the_same_value', async () => {
  for (const path of ['a//b', '/a/b', 'a/b/', 'a%2Fb', 'a/B', 'a/b%00', '//a/b']) expect(await kv.get(path), 404);
  // not normal: no resource of any space
  for (const path of ['a/../a/b', 'a/./b', './a/b', 'a/%62', 'a%2fb', 'a/b%', 'a/b%zz', '../default/a/b']) expect(await kv.get(path), 401);
  for (const path of ['a/b?x=1', 'a/b#f', 'a/b?']) {
    const answer = await kv.put(path, 'other');
    assert.ok(answer.status >= 400 || path.includes('?'), answer.toString());
  }
});

scenario('b1_a_grant_on_one_spelling_is_no_grant_on_another', async () => {
  const by = new Kv(await holder({ [kv.resource('docs/')]: ['tinycloud.kv/get', 'tinycloud.kv/list'] }), kv.space);
  for (const path of ['docs', 'docs/../a/b', 'docs%2Fa', 'Docs/a', '/docs/a', 'docs//../a', 'docsa', '/']) expect(await by.get(path), 401);
  for (const prefix of ['', 'docs', 'doc', '/docs/']) expect(await by.list(prefix), 401);
  expect(await by.list('docs/'), 200);
  expect(await by.list('docs/a'), 200);
});

scenario('b1_a_list_shows_only_keys_that_the_grant_covers', async () => {
  const names = ['lists/a', 'lists/a/1', 'lists/a/2', 'lists/a!', 'lists/ab/secret', 'lists/a%20b'];
  for (const name of names) expect(await kv.put(name, 'x'), 200);
  const covered = ['lists/a', 'lists/a/1', 'lists/a/2'];
  const listed = async (by: Kv, prefix: string): Promise<unknown> => expect(await by.list(prefix), 200).json();
  const by = new Kv(await holder({ [kv.resource('lists/a')]: ['tinycloud.kv/get', 'tinycloud.kv/list'] }), kv.space);
  assert.deepEqual(await listed(by, 'lists/a'), covered);
  assert.deepEqual(await listed(by, 'lists/a/'), covered.slice(1));
  assert.deepEqual(await listed(by, 'lists/a/2'), ['lists/a/2']);
  // page by page as well
  const paged: string[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const answer = expect(await by.list('lists/a', { 'x-tinycloud-limit': '1', ...(cursor === '' ? {} : { 'x-tinycloud-cursor': cursor }) }), 200);
    paged.push(...answer.json<string[]>());
    cursor = answer.header('x-tinycloud-next-cursor');
  }
  assert.deepEqual(paged, covered);
  // who was granted more sees more: of several grants, any
  const two = new Kv(await holder({ [kv.resource('lists/')]: ['tinycloud.kv/list'], [kv.resource('lists/a')]: ['tinycloud.kv/list'] }), kv.space);
  assert.deepEqual(await listed(two, 'lists/a'), [...names].sort());
  assert.deepEqual(await listed(kv, 'lists/a'), [...names].sort());
  // selectors are bounds as well
  for (const [kind, value, wanted] of [['exact', 'lists/a', ['lists/a']], ['prefix', 'lists/a', covered], ['prefix', 'lists', [...names].sort()]] as const) {
    const selector = { type: 'xyz.tinycloud.resource/selector', kind, value };
    const key = Key.generate();
    const token = alice.delegation(key.did, { [kv.resource('lists/')]: { 'tinycloud.kv/list': [selector] } }, { exp: Math.floor(now()) + 60 });
    expect(await delegate(fleet, token), 200);
    assert.deepEqual(await listed(new Kv(new Invoker(fleet, key, [token.cid]), kv.space), 'lists/a'), wanted, `${kind} ${value}`);
  }
});

scenario('b2_only_the_address_ignores_case', async () => {
  const lower = new Kv(alice, kv.space.replace(alice.wallet.address, alice.wallet.address.toLowerCase()));
  expect(await lower.get('a/b'), 200, 'value');
  for (const space of [kv.space.replace(':default', ':Default'), kv.space.replace(':default', ':DEFAULT')]) {
    const answer = expect(await new Kv(alice, space).get('a/b'), [401, 404]);
    assert.doesNotMatch(answer.text, /value/);
  }
  for (const space of [kv.space.replace('tinycloud:', 'TINYCLOUD:'), kv.space.replace('pkh', 'PKH'), kv.space.replace('eip155', 'EIP155')]) expect(await new Kv(alice, space).get('a/b'), 401);
  // the chain is a part of the name
  const other = new Wallet(undefined, 10);
  assert.notEqual(other.space(), other.space().replace(':10:', ':1:'));
  const there = await signIn(fleet, other);
  expect(await there.one(`${other.space().replace(':10:', ':1:')}/kv/a`, 'tinycloud.kv/get'), [401, 404]);
});

scenario('b3_abilities_are_full_names_in_lower_case', async () => {
  for (const ability of ['tinycloud.kv/GET', 'tinycloud.KV/get', 'kv/get', 'tinycloud.kv/read', 'tinycloud.kv/*', 'tinycloud.kv/peek', 'tinycloud.kv/get*', 'xyz.tinycloud.kv/get', 'tinycloud.storage/get']) {
    const by = await holder({ [kv.resource('a/')]: [ability] });
    expectMissing(await new Kv(by, kv.space).get('a/b'), kv.resource('a/b'), 'tinycloud.kv/get');
    const itself = await by.one(kv.resource('a/b'), ability);
    assert.doesNotMatch(itself.text, /value/, ability);
    assert.notEqual(itself.status, 500);
  }
  const by = await holder({ [kv.resource('a/')]: ['tinycloud.kv/delete'] });
  expectMissing(await new Kv(by, kv.space).put('a/b', 'x'), kv.resource('a/b'), 'tinycloud.kv/put');
});

scenario('b4_an_ability_of_one_service_does_nothing_on_another', async () => {
  const values: [string, string][] = [
    [`${kv.space}/sql/a/b`, 'tinycloud.kv/get'],
    [`${kv.space}/kv/a/b`, 'tinycloud.sql/read'],
    [`${kv.space}/kv/a/b`, 'tinycloud.capabilities/read'],
    [`${kv.space}/capabilities/all`, 'tinycloud.kv/get'],
    [`${kv.space}//a/b`, 'tinycloud.kv/get'],
    [`${kv.space}/vfs/a/b`, 'tinycloud.kv/get'],
    [`${kv.space}/space`, 'tinycloud.kv/get'],
  ];
  for (const [resource, ability] of values) {
    expectMissing(await alice.one(resource, ability), resource, ability);
    const key = Key.generate();
    const token = await cacao(alice.wallet, { audience: key.url, att: grants({ [resource]: [ability] }) });
    const stored = await delegate(fleet, token);
    const answer = await new Invoker(fleet, key, [token.cid]).one(resource, ability, { body: JSON.stringify({ action: 'query', sql: 'SELECT 1', params: [] }) });
    assert.ok(stored.status === 401 || answer.text === '' || answer.status >= 400, `${resource} ${ability}: ${answer}`);
    assert.doesNotMatch(answer.text, /value|rowCount|delegator/);
  }
});

scenario('b6_another_owner_cannot_speak_for_a_space', async () => {
  const mallory = await signIn(fleet, new Wallet());
  const secrets = alice.wallet.space('secrets');
  expect(await host(fleet, alice.wallet, secrets), 200);
  const att = grants({ [`${secrets}/kv/vault/secrets/`]: ['tinycloud.kv/get'] });
  expect(await delegate(fleet, await cacao(mallory.wallet, { audience: mallory.key.url, att })), 401, /^Unauthorized Capability: |^Cannot find parent delegation/);
  expect(await delegate(fleet, await cacao(mallory.wallet, { audience: mallory.key.url, att, proofs: [alice.root.cid] })), 401);
  expect(await delegate(fleet, await hosting(fleet, mallory.wallet, alice.wallet.space('other'))), 401);
  // half of it is Mallory's own
  expect(await delegate(fleet, await cacao(mallory.wallet, { audience: mallory.key.url, att: { ...defaultGrants(mallory.wallet), ...att } })), 401);
});

scenario('b8_a_grant_reaches_below_itself_and_nowhere_else', async () => {
  const both = await holder({ [kv.resource('a')]: ['tinycloud.kv/get'], [kv.resource('a/c')]: ['tinycloud.kv/put'] });
  const own = new Kv(both, kv.space);
  expect(await own.get('a/b'), 200, 'value');
  expect(await own.put('a/c', 'x'), 200);
  expectMissing(await own.put('a/b', 'x'), kv.resource('a/b'), 'tinycloud.kv/put');
  expect(await own.get('a/c'), 200, 'x');
  // a child that leaves out one path does not keep it
  const key = Key.generate();
  const child = both.delegation(key.did, grants({ [kv.resource('a/c')]: ['tinycloud.kv/put'] }), { exp: Math.floor(now()) + 60 });
  expect(await delegate(fleet, child), 200);
  expect(await new Kv(new Invoker(fleet, key, [child.cid]), kv.space).get('a/c'), 401);
});

scenario('b9_separators_do_not_make_two_names_one', async () => {
  const spaces = ['x', 'x%2Fkv'].map((name) => alice.wallet.space(name));
  for (const space of spaces) expect(await host(fleet, alice.wallet, space), 200);
  const by = await holder(Object.fromEntries(spaces.flatMap((space) => [[`${space}/kv`, ['tinycloud.kv/get', 'tinycloud.kv/put', 'tinycloud.kv/list']], [`${space}/sql`, ['tinycloud.sql/read', 'tinycloud.sql/schema', 'tinycloud.sql/write']]])));
  const [one, two] = spaces.map((space) => new Kv(by, space));
  assert.ok(one && two);
  expect(await one.put('kv/a', 'one'), 200);
  expect(await two.get('a'), 404);
  expect(await two.put('a', 'two'), 200);
  expect(await one.get('kv/a'), 200, 'one');
  assert.deepEqual(expect(await one.list(''), 200).json(), ['kv/a']);

  const databases = ['a/b', 'a%2Fb', 'a', 'a/b/c', '.a', 'a.b'];
  for (const name of databases) expect(await new Sql(by, spaces[0] ?? '', name).execute('CREATE TABLE t AS SELECT 1 AS a'), 200);
  for (const name of databases) {
    const sql = new Sql(by, spaces[0] ?? '', name);
    expect(await sql.execute('UPDATE t SET a = ?', [name]), 200);
  }
  for (const name of databases) assert.deepEqual(expect(await new Sql(by, spaces[0] ?? '', name).query('SELECT a FROM t'), 200).json<Rows>().rows, [[name]]);
  // an owner is what is before the last colon
  expect(await alice.one(`${kv.space}:b/kv/a`, 'tinycloud.kv/get'), [401, 404]);
});

scenario('b11_a_database_is_its_whole_path', async () => {
  const one = alice.sql('appA/main');
  const two = alice.sql('appB/main');
  expect(await one.execute('CREATE TABLE t AS SELECT 1 AS a'), 200);
  expect(await two.query('SELECT a FROM t'), 400);
  const by = await holder({ [`${kv.space}/sql/appB`]: ['tinycloud.sql/*'] });
  const theirs = new Sql(by, kv.space, 'appB/main');
  expect(await theirs.query('SELECT a FROM t'), 400);
  expect(await theirs.execute('CREATE TABLE t AS SELECT 2 AS a'), 200);
  assert.deepEqual(expect(await one.query('SELECT a FROM t'), 200).json<Rows>().rows, [[1]]);
  expect(await new Sql(by, kv.space, 'appA/main').query('SELECT 1'), 401);
  expect(await new Sql(by, kv.space, 'main').query('SELECT 1'), 401);
});

scenario('d17_a_space_is_hosted_only_for_the_host_key_of_this_node', async () => {
  const wallet = new Wallet();
  const space = wallet.space();
  const unhosted = async (session: Session) => expect(await session.kv().get('a'), 404, /space not found/i);
  const att = grants({ [`${space}/space`]: ['tinycloud.space/host'] });
  const otherSpace = expect(await get(fleet, `/peer/generate/${encodeURIComponent(wallet.space('other'))}`), 200).text;
  const nodeId = expect(await get(fleet, '/info'), 200).json<{ nodeId: string }>().nodeId;
  const key = Key.generate();
  const token = await cacao(wallet, { audience: key.url, att: defaultGrants(wallet), expires: iso(Date.now() + 3600_000) });
  const session = { kv: () => new Kv(new Invoker(fleet, key, [token.cid]), space) } as Session;
  expect(await delegate(fleet, token), 200);
  for (const audience of [Key.generate().did, otherSpace, nodeId, key.did, wallet.did, 'https://app.example']) {
    expect(await delegate(fleet, await cacao(wallet, { audience, att })), 401);
    await unhosted(session);
  }
  // on anything but the space itself the ability hosts nothing
  for (const resource of [`${space}/space/x`, `${space}/space/`, `${space}/kv`, `${space}/space?a`, `${space}/space#a`]) {
    await delegate(fleet, await hosting(fleet, wallet, space, { att: grants({ [resource]: ['tinycloud.space/host'] }) }));
    await unhosted(session);
  }
  const right = expect(await delegate(fleet, await hosting(fleet, wallet, space)), 200).json<Delegated>();
  assert.deepEqual(right.skipped, []);
  // what was skipped is posted again, as clients do
  expect(await delegate(fleet, token), 200);
  expect(await session.kv().put('a', 'b'), 200);
});

scenario('h6_no_path_leads_out_of_a_public_space', async () => {
  const { raw } = await import('./lib/raw.js');
  const space = alice.wallet.space('public');
  expect(await host(fleet, alice.wallet, space), 200);
  const open = new Kv(await holder({ [`${space}/kv`]: ['tinycloud.kv/put'] }), space);
  expect(await open.put('a', 'public'), 200);
  expect(await kv.put('a', 'private'), 200);
  const ask = (path: string) => raw(fleet.url, [`GET ${path} HTTP/1.1`]);
  assert.deepEqual(await ask(publicPath(space, 'a')), { status: 200, body: 'public' });
  const mine = encodeURIComponent(alice.space);
  for (const path of [
    publicPath(space, `../../${mine}/kv/a`), publicPath(space, `..%2F..%2F${mine}%2Fkv%2Fa`), publicPath(space, '%2e%2e/a'), publicPath(space, '..%5Ca'), publicPath(space, 'a%00'), publicPath(space, '%FF'), publicPath(space, 'a%'), publicPath(space, 'a%zz'),
    `/public/${mine}%2F..%2F${encodeURIComponent(space)}/kv/a`, `/public/${encodeURIComponent(`${space}/../default`)}/kv/a`, `/public/${encodeURIComponent(`${alice.space}/kv/a#:public`)}/kv/a`, `/public/${encodeURIComponent(`${alice.space}:public`)}/kv/a`,
    '/public/../../../../etc/passwd', '/public/%2e%2e%2f%2e%2e%2fetc%2fpasswd/kv/a', publicPath(space, '....//....//etc/passwd'), `${publicPath(space, '')}`, `/public//kv/a`,
  ]) {
    const { status, body } = await ask(path);
    assert.ok(status !== undefined && status >= 400 && status < 500, `${path}: ${status} ${body}`);
    assert.ok(!body.includes('private') && !body.includes('root:'), path);
  }
  for (const path of ['/peer/generate/..%2F..%2Fetc%2Fpasswd', '/peer/generate/%00', '/peer/generate/%FF', `/peer/generate/${mine}%2Fkv`, '/peer/generate/', `/peer/generate/${mine}/../x`, '/peer/generate/tinycloud%3Akey%3A..%2Fx', `/peer/generate/${encodeURIComponent(`${alice.space}?x`)}`, `/peer/generate/${encodeURIComponent(`${alice.space}#x`)}`]) {
    const { status, body } = await ask(path);
    assert.ok(status !== undefined && status >= 400 && status < 500, `${path}: ${status} ${body}`);
  }
});

scenario('h6_a_key_that_is_escaped_is_found_in_one_way', async () => {
  const space = alice.wallet.space('public');
  const open = new Kv(await holder({ [`${space}/kv`]: ['tinycloud.kv/put'] }), space);
  expect(await open.put('with%20space', 'yes'), 200);
  expect(await get(fleet, publicPath(space, 'with%20space')), 200, 'yes');
  expect(await get(fleet, publicPath(space, 'with%2520space')), 404);
});
