// What a stranger or a tenant does to a node while others use it. Each attack goes on until its process is
// killed, and counts the answers that it gets.

import { setTimeout as sleep } from 'node:timers/promises';
import { delegate, Invoker } from '../client/invoker.js';
import { Key } from '../client/keys.js';
import { grants, type Attenuation } from '../client/recap.js';
import { now, ucan, uuid } from '../client/ucan.js';
import type { Answer, Transport } from '../client/http.js';
import { address, from, socket } from './transport.js';

/** The node, and what was answered so far, by status. */
export interface Against {
  url: string;
  count: (what: string) => void;
}

type Attack = (against: Against) => Promise<unknown>;

/** Somebody with a key and a space of it: as many as one likes, for nothing. */
class Tenant {
  readonly key = Key.generate();
  readonly space = `tinycloud:${this.key.did.slice('did:'.length)}:s`;
  readonly by: Invoker;

  constructor(via: Transport) {
    this.by = new Invoker(via, this.key, []);
  }

  static async hosted(via: Transport): Promise<Tenant> {
    const one = new Tenant(via);
    const host = await via.send(() => ({ method: 'GET', path: `/peer/generate/${encodeURIComponent(one.space)}` }));
    const token = one.by.delegation(host.text, grants({ [`${one.space}/space`]: ['tinycloud.space/host'] }));
    const answer = await delegate(via, token);
    if (answer.status !== 200) throw new Error(`hosting: ${answer}`);
    return one;
  }

  sql(database: string, body: object): Promise<Answer> {
    const abilities = ['tinycloud.sql/read', 'tinycloud.sql/write'];
    return this.by.invoke(grants({ [`${this.space}/sql/${database}`]: abilities }), { body: JSON.stringify(body) });
  }
}

/** Does something again and again, so many at a time. */
const crowd = (many: number, { count }: Against, once: (worker: number) => Promise<Answer | string>): Promise<unknown> =>
  Promise.all(
    Array.from({ length: many }, async (_, worker) => {
      for (;;) {
        try {
          const answer = await once(worker);
          count(typeof answer === 'string' ? answer : String(answer.status));
        } catch {
          count('no answer');
          await sleep(20);
        }
      }
    }),
  );

const select = (sql: string): object => ({ action: 'query', sql, params: [] });
const endless = 'WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c';

/** Statements of many owners, or of one, from one address or many. */
const statements = (owners: number, addresses: number, connections: number, sql: string): Attack => async (against) => {
  const via = (number: number): Transport => from(against.url, address(number % addresses));
  const all = await Promise.all(Array.from({ length: owners }, (_, number) => Tenant.hosted(via(number))));
  await crowd(connections, against, (worker) => {
    const tenant = all[worker % owners];
    return tenant === undefined ? Promise.resolve('none') : tenant.sql(`db${worker % 4}`, select(sql));
  });
};

/** One statement that computes in a straight line, which nothing interrupts. */
const straight: Attack = async (against) => {
  const tenant = await Tenant.hosted(from(against.url, address(0)));
  await tenant.sql('j', { action: 'execute', sql: 'CREATE TABLE IF NOT EXISTS t (j TEXT)', params: [] });
  const rows = 270_000;
  const fill = `INSERT INTO t SELECT '[' || group_concat('123456789') || ']' FROM (WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT ${rows}) SELECT n FROM c)`;
  await tenant.sql('j', { action: 'execute', sql: fill, params: [] });
  const paths = Array.from({ length: 98 }, (_, n) => `'$[#-${n + 1}]'`).join(',');
  const columns = Array.from({ length: 25 }, () => `length(json_extract(j, ${paths}))`).join(',');
  await crowd(8, against, () => tenant.sql('j', select(`SELECT ${columns} FROM t`)));
};

const bodies = (many: number): Attack => async (against) => {
  const held = Array.from({ length: many }, (_, number) => {
    const one = socket(against.url, address(number % 28));
    const tenant = new Tenant(from(against.url, address(0)));
    const { header } = tenant.by.token(grants({ [`${tenant.space}/sql/db`]: ['tinycloud.sql/write'] }));
    one.write(`POST /invoke HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${header}\r\nContent-Length: 1000000\r\n\r\n`);
    one.write('x'.repeat(999_000));
    one.on('data', (data: Buffer) => against.count(data.toString('latin1').slice(9, 12)));
    return one;
  });
  for (;;) {
    await sleep(1000);
    for (const one of held) if (!one.destroyed) one.write('x');
  }
};

const heads = (many: number): Attack => async (against) => {
  const held = Array.from({ length: many }, (_, number) => {
    const one = socket(against.url, address(number % 28));
    one.write(`POST /invoke HTTP/1.1\r\nHost: localhost\r\nX-A: ${'a'.repeat(150_000)}`);
    one.on('data', (data: Buffer) => against.count(data.toString('latin1').slice(9, 12)));
    return one;
  });
  for (;;) {
    await sleep(1000);
    for (const one of held) if (!one.destroyed) one.write('a');
  }
};

/** Large bodies to a space that nobody hosts. */
const uploads: Attack = (against) =>
  crowd(16, against, (worker) => {
    const tenant = new Tenant(from(against.url, address(worker)));
    const body = 'x'.repeat(5_000_000);
    return tenant.by.one(`${tenant.space}/kv/a`, 'tinycloud.kv/put', { body });
  });

/** Delegations of fresh keys, about spaces that nobody hosts. */
const delegations: Attack = (against) => {
  const vias = Array.from({ length: 16 }, (_, number) => from(against.url, address(number)));
  return crowd(64, against, (worker) => {
    const via = vias[worker % vias.length] ?? from(against.url, address(0));
    const tenant = new Tenant(via);
    const att: Attenuation = { [`${tenant.space}/kv/${'a'.repeat(20_000)}`]: { 'tinycloud.kv/get': [{}] } };
    return delegate(via, tenant.by.delegation(Key.generate().did, att, { exp: Math.floor(now()) + 30 }));
  });
};

/** Invocations that take long to compare with what they cite. */
const comparisons: Attack = async (against) => {
  const tenant = await Tenant.hosted(from(against.url, address(0)));
  const abilities = ['get', 'put', 'list', 'del', 'metadata', 'x'].map((name) => `tinycloud.kv/${name}`);
  const caveats = Array.from({ length: 64 }, (_, n) => ({ n }));
  const resource = `${tenant.space}/kv`;
  const under = (all: object[]): Attenuation => ({ [resource]: Object.fromEntries(abilities.map((it) => [it, all as never])) });
  const session = Key.generate();
  const proofs: string[] = [];
  for (let parent = 0; parent < 32; parent += 1) {
    const token = tenant.by.delegation(session.did, under(caveats));
    if ((await delegate(tenant.by.via, token)).status === 200) proofs.push(token.cid);
  }
  const reversed = under([...caveats].reverse());
  const vias = Array.from({ length: 8 }, (_, number) => from(against.url, address(number)));
  await crowd(8, against, (worker) => {
    const token = ucan(session, { aud: session.did, exp: now() + 60, nnc: uuid(), prf: proofs, att: reversed });
    const via = vias[worker] ?? tenant.by.via;
    return via.send(() => ({ method: 'POST', path: '/invoke', headers: { Authorization: token.header } }));
  });
};

/** Long tokens that nobody signed. */
const forged: Attack = (against) => {
  const vias = Array.from({ length: 16 }, (_, number) => from(against.url, address(number)));
  const tenant = new Tenant(vias[0] ?? from(against.url, address(0)));
  const att = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`${tenant.space}/kv/${n}`, { 'tinycloud.kv/get': [{}] }]));
  const { header } = tenant.by.token(att);
  const wrong = header.slice(0, -8) + 'AAAAAAAA';
  return crowd(64, against, (worker) => {
    const via = vias[worker % vias.length] ?? tenant.by.via;
    return via.send(() => ({ method: 'POST', path: '/invoke', headers: { Authorization: wrong } }));
  });
};

/** What costs the same processor, and the node nothing: how much of the rest is the machine. */
const nothing: Attack = async () => {
  for (let turn = 0; ; turn += 1) {
    if (turn % 1_000_000 === 0) await sleep(0);
  }
};

const numbers = (many: number): string => `SELECT 1 WHERE 1 IN (${Array.from({ length: many }, (_, n) => n).join(',')})`;

/** All attacks, by name. */
export const attacks: Readonly<Record<string, Attack>> = {
  'another process': nothing,
  'statements of 20 KB': statements(16, 16, 56, numbers(3800)),
  'statements of 870 KB': statements(16, 16, 56, numbers(140_000)),
  'statements without an end, one owner': statements(1, 1, 64, endless),
  'statements without an end, 100 owners': statements(100, 1, 64, endless),
  'statements that nothing interrupts': straight,
  '1,500 unfinished bodies': bodies(1500),
  '3,500 unfinished heads': heads(3500),
  'uploads to a space that is not hosted': uploads,
  'delegations of fresh keys': delegations,
  'long comparisons': comparisons,
  'long tokens with a wrong signature': forged,
};
