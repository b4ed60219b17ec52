// Clients that are slow, greedy or broken: threat H1.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { exchange } from './client/http.js';
import { delegate } from './client/invoker.js';
import { Key } from './client/keys.js';
import { grants } from './client/recap.js';
import { sessionToken, signIn } from './client/session.js';
import { get } from './client/urls.js';
import { Wallet } from './client/wallet.js';
import { Fleet, ownProcesses, UNLIMITED } from './lib/fleet.js';
import { Raw, raw } from './lib/raw.js';
import { expect, ownScenario, scenario } from './lib/scenario.js';

/** How many connections do nothing useful at once. */
const CROWD = 300;
/** Longest time that a connection may stand half-open, in milliseconds. */
const HALF_OPEN = 60_000;
/** How much the memory of a process may grow by what is refused, in bytes. */
const GROWTH = 64 * 1024 * 1024;

const fleet = await Fleet.start(UNLIMITED, 'one');
after(() => fleet.stop());
const alice = await signIn(fleet, new Wallet());
const kv = alice.kv();

/** Somebody who behaves is served. */
const served = async (): Promise<void> => {
  expect(await kv.put('served', 'yes'), 200);
  expect(await kv.get('served'), 200, 'yes');
};

/** Memory that the process holds, in bytes. */
const resident = (): number => {
  const pid = fleet.processes[0]?.pid;
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
};

const put = (): string => alice.token(grants({ [kv.resource('slow')]: ['tinycloud.kv/put'] })).header;

scenario('h1_a_crowd_that_says_half_a_sentence_keeps_nobody_from_being_served', async () => {
  const crowd = Array.from({ length: CROWD }, (_, i) => {
    const one = new Raw(fleet.url);
    if (i % 3 === 0) one.write('POST /invoke HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
    if (i % 3 === 1) one.write(`POST /invoke HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${put()}\r\nContent-Length: 1000\r\n\r\nhalf`);
    return one;
  });
  await sleep(500);
  for (let i = 0; i < 5; i += 1) await served();
  for (const one of crowd) one.close();
  await served();
});

scenario('h1_a_connection_that_never_finishes_its_headers_is_closed', async () => {
  const silent = new Raw(fleet.url);
  const dripping = new Raw(fleet.url).write('GET /info HTTP/1.1\r\nHost: localhost\r\n');
  const drip = setInterval(() => dripping.write('X-A: b\r\n'), 1000);
  try {
    const closed = await Promise.all([silent, dripping].map((one) => one.until((raw) => raw.closed || raw.status === 408, HALF_OPEN)));
    assert.deepEqual(closed, [true, true]);
  } finally {
    clearInterval(drip);
    silent.close();
    dripping.close();
  }
});

scenario('h1_a_body_that_stops_is_not_stored', async () => {
  const token = put();
  const one = new Raw(fleet.url).write(`POST /invoke HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${token}\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(500)}`);
  await sleep(300);
  one.close();
  await sleep(300);
  expect(await kv.get('slow'), 404);
  await served();
});

scenario('h1_headers_have_a_bound_above_what_a_sign_in_needs', async () => {
  const wallet = new Wallet();
  const att = grants(Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`${wallet.space()}/kv/some/rather/long/prefix/${i}/`, ['tinycloud.kv/get', 'tinycloud.kv/put']])));
  expect(await delegate(fleet, await sessionToken(wallet, Key.generate(), { att })), 200);
  const flood: string[][] = [
    ['POST /delegate HTTP/1.1', `Authorization: ${'A'.repeat(4 * 1024 * 1024)}`],
    ['GET /info HTTP/1.1', ...Array.from({ length: 20_000 }, (_, i) => `X-${i}: ${i}`)],
    [`GET /${'a'.repeat(2 * 1024 * 1024)} HTTP/1.1`],
  ];
  for (const lines of flood) {
    const { status } = await raw(fleet.url, lines);
    assert.ok(status === undefined || [400, 401, 413, 414, 431].includes(status), String(status));
    await served();
  }
});

scenario('h1_a_body_that_is_too_large_is_refused_where_json_is_read', async () => {
  const large = `{"action":"query","sql":"SELECT 1","params":["${'x'.repeat(2 * 1024 * 1024)}"]}`;
  const cases = [
    ['/invoke', alice.token(grants({ [`${alice.space}/sql/db`]: ['tinycloud.sql/read'] }))],
    ['/delegation/status', alice.token(grants({ [`urn:cid:${alice.root.cid}`]: ['tinycloud.delegation/status'] }))],
    ['/delegation/query', alice.token(grants({ [`${alice.wallet.space('account')}/delegation/`]: ['tinycloud.delegation/list'] }))],
    ['/signed/kv', alice.token(grants({ [kv.resource('served')]: ['tinycloud.kv/get'] }))],
  ] as const;
  for (const [path, { header }] of cases) {
    const { status } = await raw(fleet.url, [`POST ${path} HTTP/1.1`, `Authorization: ${header}`, 'Content-Type: application/json', `Content-Length: ${large.length}`], large);
    assert.ok(status === 413, `${path}: ${status}`);
  }
});

scenario('h1_json_that_is_deep_or_lies_about_itself_is_refused', async () => {
  const deep = '['.repeat(200_000) + ']'.repeat(200_000);
  for (const body of [deep, `{"action":"query","sql":"SELECT 1","params":${deep}}`, '{"a":'.repeat(100_000), '"', '\u0000', '{"action":"query"']) {
    expect(await alice.one(`${alice.space}/sql/db`, 'tinycloud.sql/read', { body }), [400, 422]);
  }
  const { header } = alice.token(grants({ [kv.resource('slow')]: ['tinycloud.kv/put'] }));
  for (const lines of [
    ['POST /invoke HTTP/1.1', `Authorization: ${header}`, 'Content-Length: 1', 'Content-Length: 2'],
    ['POST /invoke HTTP/1.1', `Authorization: ${header}`, 'Content-Length: -1'],
    ['POST /invoke HTTP/1.1', `Authorization: ${header}`, 'Transfer-Encoding: chunked', 'Content-Length: 3'],
  ]) {
    const { status } = await raw(fleet.url, lines, 'abc');
    assert.ok(status === undefined || (status >= 400 && status < 500), String(status));
  }
  expect(await kv.get('slow'), 404);
  await served();
});

scenario('h1_two_authorizations_are_not_one', async () => {
  const one = alice.token(grants({ [kv.resource('served')]: ['tinycloud.kv/get'] })).header;
  const { status } = await raw(fleet.url, ['POST /invoke HTTP/1.1', `Authorization: ${one}`, `Authorization: nonsense`, 'Content-Length: 0']);
  assert.ok(status !== undefined && status >= 400 && status < 500, String(status));
});

ownScenario('h1_what_is_refused_takes_no_memory', async () => {
  if (!ownProcesses) return;
  await served();
  const before = resident();
  const mebibyte = new Uint8Array(1024 * 1024).fill(120);
  // bodies of requests that nobody may make
  for (let i = 0; i < 100; i += 1) {
    await exchange(fleet.url, { method: 'POST', path: '/invoke', headers: { Authorization: 'nonsense' }, body: mebibyte }).catch(() => undefined);
  }
  // tokens that are mostly air
  const air = Buffer.alloc(45_000, 0xa1).toString('base64url');
  for (let i = 0; i < 300; i += 1) expect(await exchange(fleet.url, { method: 'POST', path: '/delegate', headers: { Authorization: air } }), [400, 401, 431]);
  for (const bomb of [Buffer.concat([Buffer.from([0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])]), Buffer.alloc(40_000, 0x81), Buffer.from('bb7fffffffffffffff', 'hex'), Buffer.from('5b7fffffffffffffff', 'hex')]) {
    expect(await exchange(fleet.url, { method: 'POST', path: '/delegate', headers: { Authorization: bomb.toString('base64url') } }), 401);
  }
  await served();
  const grown = resident() - before;
  assert.ok(grown < GROWTH, `${grown} bytes more`);
});

scenario('h1_many_requests_at_once_are_all_answered', async () => {
  const answers = await Promise.all(Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? kv.put(`flood/${i}`, 'x') : i % 4 === 1 ? kv.get('served') : get(fleet, i % 4 === 2 ? '/info' : '/healthz'))));
  for (const answer of answers) assert.ok(answer.status === 200 || answer.status === 503, answer.toString());
  assert.ok(answers.filter(({ status }) => status === 200).length >= 100);
  await served();
});
