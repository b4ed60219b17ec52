// Bounds that an operator sets: sizes, quotas, lifetimes, rates, the administrator's secret.

import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { grants } from './client/recap.js';
import { host, signIn } from './client/session.js';
import { now } from './client/ucan.js';
import { get, publicPath } from './client/urls.js';
import { Wallet } from './client/wallet.js';
import { Fleet, UNLIMITED } from './lib/fleet.js';
import { raw } from './lib/raw.js';
import { expect, ownScenario } from './lib/scenario.js';

const secrets = await mkdtemp(join(tmpdir(), 'openkey-secret-'));
after(() => rm(secrets, { recursive: true, force: true }));

/** A node with flags of its own, for one scenario. */
const withFlags = async (flags: readonly string[], work: (fleet: Fleet) => Promise<void>): Promise<void> => {
  const fleet = await Fleet.start(flags, 'one');
  try {
    await work(fleet);
  } finally {
    await fleet.stop();
  }
};

ownScenario('a value over the limit is refused, not cut', () =>
  withFlags([...UNLIMITED, '--max-value-bytes', '1000'], async (fleet) => {
    const session = await signIn(fleet, new Wallet());
    const kv = session.kv();
    expect(await kv.put('a', 'x'.repeat(1000)), 200);
    expect(await kv.put('a', 'y'.repeat(1001)), 413);
    expect(await kv.get('a'), 200, 'x'.repeat(1000));
    expect(await kv.put('b', 'y'.repeat(100_000)), 413);
    expect(await kv.get('b'), 404);
    expect(await kv.batchPut([{ path: 'c', value: 'x' }, { path: 'd', value: 'x'.repeat(1001) }]), 413);
    assert.deepEqual(expect(await kv.list(''), 200).json(), ['a']);
    // of unknown length
    const token = session.token(grants({ [kv.resource('e')]: ['tinycloud.kv/put'] }));
    const chunk = `400\r\n${'z'.repeat(0x400)}\r\n`;
    const answer = await raw(fleet.url, ['POST /invoke HTTP/1.1', `Authorization: ${token.header}`, 'Transfer-Encoding: chunked'], `${chunk}${chunk}0\r\n\r\n`);
    assert.equal(answer.status, 413);
    expect(await kv.get('e'), 404);
  }));

ownScenario('a space holds no more than its quota', () =>
  withFlags([...UNLIMITED, '--quota-bytes', '10000'], async (fleet) => {
    const kv = (await signIn(fleet, new Wallet())).kv();
    expect(await kv.put('a', 'x'.repeat(6000)), 200);
    const larger = expect(await kv.put('b', 'x'.repeat(6000)), 413);
    const [, used, limit] = /^Write exceeds remaining storage\. Used: (\d+) bytes, Limit: (\d+) bytes$/.exec(larger.text) ?? [];
    assert.ok(Number(used) >= 6000 && limit === '10000', larger.text);
    expect(await kv.get('b'), 404);
    // keys and what is kept of headers count as well, as much here as there
    const beside = Number(used) - 6000;
    expect(await kv.put('b', 'y'.repeat(10_000 - Number(used) - beside)), 200);
    const full = expect(await kv.put('c', 'z'), 402);
    assert.match(full.text, /^Storage quota exceeded\. Used: \d+ bytes, Limit: 10000 bytes$/);
    expect(await kv.batchPut([{ path: 'd', value: 'x' }, { path: 'e', value: 'y' }]), [402, 413]);
    expect(await kv.get('a'), 200);
    const other = (await signIn(fleet, new Wallet())).kv();
    expect(await other.put('a', 'x'), 200);
    // what is deleted makes room
    expect(await kv.del('a'), 200);
    expect(await kv.put('c', 'z'), 200);
  }));

ownScenario('databases count towards the quota', () =>
  withFlags([...UNLIMITED, '--quota-bytes', '100000'], async (fleet) => {
    const sql = (await signIn(fleet, new Wallet())).sql();
    expect(await sql.execute('CREATE TABLE t (b BLOB)'), 200);
    let last = 200;
    for (let i = 0; i < 20 && last === 200; i += 1) {
      last = expect(await sql.execute('INSERT INTO t VALUES (zeroblob(20000))'), [200, 402, 429]).status;
    }
    assert.notEqual(last, 200);
    expect(await sql.query('SELECT count(*) FROM t'), 200);
  }));

ownScenario('a public space has a quota of its own', () =>
  withFlags([...UNLIMITED, '--public-quota-bytes', '1000'], async (fleet) => {
    const session = await signIn(fleet, new Wallet());
    expect(await host(fleet, session.wallet, session.wallet.space('public')), 200);
    const open = (await signIn(fleet, session.wallet, { att: grants({ [`${session.wallet.space('public')}/kv`]: ['tinycloud.kv/put'] }) })).kv('public');
    expect(await open.put('a', 'x'.repeat(2000)), 413, /Limit: 1000 bytes/);
    expect(await session.kv().put('a', 'x'.repeat(2000)), 200);
  }));

ownScenario('the administrator sets quotas, and nobody else does', async () => {
  const file = join(secrets, 'admin');
  await writeFile(file, 'correct horse battery staple\n');
  await chmod(file, 0o600);
  await withFlags([...UNLIMITED, '--admin-secret-file', file], async (fleet) => {
    const session = await signIn(fleet, new Wallet());
    const admin = (method: string, path: string, secret: string | undefined, body?: string) =>
      fleet.send(() => ({ method, path, headers: { ...(secret === undefined ? {} : { Authorization: secret }), 'Content-Type': 'application/json' }, ...(body === undefined ? {} : { body }) }));
    const path = `/admin/quota/${encodeURIComponent(session.space)}`;
    const right = 'Bearer correct horse battery staple';
    const limit = JSON.stringify({ limit_bytes: 500 });
    for (const wrong of [undefined, '', 'Bearer ', 'Bearer wrong', 'correct horse battery staple', 'Bearer correct horse battery stapl', 'Bearer correct horse battery staples', session.token({}).header]) {
      expect(await admin('PUT', path, wrong, limit), 401);
      for (const readable of [path, '/admin/quota', '/admin/usage']) expect(await admin('GET', readable, wrong), 401);
    }
    expect(await session.kv().put('a', 'x'.repeat(400)), 200);
    const set = expect(await admin('PUT', path, right, limit), 200).json<Record<string, unknown>>();
    assert.deepEqual([set['space_id'], set['override_bytes'], set['effective_limit_bytes']], [session.space, 500, 500]);
    assert.ok(Number(set['current_usage_bytes']) >= 400);
    expect(await session.kv().put('b', 'x'.repeat(400)), 413, /Limit: 500 bytes/);
    const all = expect(await admin('GET', '/admin/quota', right), 200).json<{ overrides: Record<string, number> }>();
    assert.equal(all.overrides[session.space], 500);
    const usage = expect(await admin('GET', '/admin/usage', right), 200).json<{ spaces: { space_id: string; usage_bytes: number }[]; count: number }>();
    assert.equal(usage.count, usage.spaces.length);
    assert.ok((usage.spaces.find(({ space_id }) => space_id === session.space)?.usage_bytes ?? 0) >= 400);
    for (const odd of ['{}', '{"limit_bytes":-1}', '{"limit_bytes":"1"}', 'x']) expect(await admin('PUT', path, right, odd), [400, 422]);
    // what was set outlives the process
    for (const own of fleet.processes) {
      await own.kill();
      await own.start();
    }
    expect(await session.kv().put('b', 'x'.repeat(400)), 413, /Limit: 500 bytes/);
    expect(await admin('DELETE', path, right), 200);
    expect(await session.kv().put('b', 'x'.repeat(400)), 200);
  });
});

ownScenario('without a secret nobody is the administrator', () =>
  withFlags(UNLIMITED, async (fleet) => {
    for (const path of ['/admin/quota', '/admin/usage']) {
      for (const Authorization of ['', 'Bearer ', 'Bearer x']) expect(await get(fleet, path, { Authorization }), 503);
    }
  }));

ownScenario('an invocation lives no longer than the operator allows', () =>
  withFlags([...UNLIMITED, '--max-invocation-seconds', '3600'], async (fleet) => {
    const session = await signIn(fleet, new Wallet());
    const put = (seconds: number) => session.one(session.kv().resource('a'), 'tinycloud.kv/put', { body: 'x', claims: { exp: now() + seconds } });
    expect(await put(3500), 200);
    expect(await put(3700), 401, /Invocation lifetime exceeds server maximum/);
  }));

ownScenario('a public space is read so many times a minute by one address', () =>
  withFlags([], async (fleet) => {
    const session = await signIn(fleet, new Wallet());
    const space = session.wallet.space('public');
    expect(await host(fleet, session.wallet, space), 200);
    const statuses = new Map<number, number>();
    for (let i = 0; i < 100; i += 1) {
      // a header that anyone can send buys nothing
      const answer = await get(fleet, publicPath(space, 'a'), { 'X-Forwarded-For': `10.0.0.${i}` });
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === 429) assert.match(answer.text, /Rate limit exceeded/);
    }
    assert.ok((statuses.get(404) ?? 0) >= 10 && (statuses.get(429) ?? 0) > 0, JSON.stringify([...statuses]));
  }));
