// Two processes on one directory, and processes that die: threats H2 and H3.

import assert from 'node:assert/strict';
import { utf8 } from './client/bytes.js';
import { etagOf } from './client/cid.js';
import { revokeByWallet, status, type Status } from './client/delegations.js';
import type { Answer } from './client/http.js';
import { delegate, Invoker, type Delegated } from './client/invoker.js';
import { Key } from './client/keys.js';
import { Kv, multipart } from './client/kv.js';
import { grants } from './client/recap.js';
import { hosting, signIn, type Session } from './client/session.js';
import { Sql, type Rows } from './client/sql.js';
import { Wallet } from './client/wallet.js';
import { Fleet, UNLIMITED } from './lib/fleet.js';
import { expect, ownScenario } from './lib/scenario.js';

/** Two processes for one scenario, and somebody signed in. */
const race = (name: string, work: (fleet: Fleet, alice: Session) => Promise<void>): void =>
  ownScenario(name, async () => {
    const fleet = await Fleet.start(UNLIMITED, 'two');
    try {
      await work(fleet, await signIn(fleet, new Wallet()));
    } finally {
      await fleet.stop();
    }
  });

const statuses = (answers: readonly Answer[]): number[] => answers.map((answer) => answer.status).sort();

race('h3_one_token_at_two_processes_is_used_once', async (fleet, alice) => {
  const cases = [
    { att: grants({ [alice.kv().resource('a')]: ['tinycloud.kv/put'] }), body: 'x' },
    { att: grants({ [alice.kv().resource('a')]: ['tinycloud.kv/get'] }) },
    { att: grants({ [`${alice.space}/sql/db`]: ['tinycloud.sql/read'] }), body: JSON.stringify({ action: 'query', sql: 'SELECT 1', params: [] }) },
  ];
  for (const { att, ...ask } of cases) {
    for (let round = 0; round < 15; round += 1) {
      const token = alice.token(att);
      const answers = await Promise.all([0, 1, 0, 1].map((i) => alice.at(fleet.at(i)).present(token, ask)));
      assert.deepEqual(statuses(answers), [200, 409, 409, 409], answers.join(' | '));
    }
  }
});

race('h3_one_space_hosted_at_two_processes_is_one_space', async (fleet) => {
  for (let round = 0; round < 10; round += 1) {
    const wallet = new Wallet();
    const tokens = await Promise.all([0, 1, 2, 3].map(() => hosting(fleet, wallet, wallet.space())));
    const same = tokens[0];
    assert.ok(same);
    const answers = await Promise.all([...tokens, same, same].map((token, i) => delegate(fleet.at(i), token)));
    for (const answer of answers) assert.deepEqual(expect(answer, 200).json<Delegated>().skipped, []);
    const session = await signIn(fleet, wallet);
    assert.deepEqual(session.first.skipped.includes(wallet.space()), false);
    expect(await session.kv().put('a', 'b'), 200);
  }
});

race('h3_one_conditional_put_at_two_processes_wins_once', async (fleet, alice) => {
  for (let round = 0; round < 15; round += 1) {
    const key = `race/${round}`;
    const answers = await Promise.all([0, 1, 2, 3].map((i) => new Kv(alice.at(fleet.at(i)), alice.space).put(key, String(i), { 'If-None-Match': '*' })));
    assert.equal(answers.filter((answer) => answer.status === 200).length, 1, answers.join(' | '));
    for (const answer of answers) expect(answer, [200, 412, 503]);
    const winner = answers.findIndex((answer) => answer.status === 200);
    for (const i of [0, 1]) expect(await new Kv(alice.at(fleet.at(i)), alice.space).get(key), 200, String(winner));
  }
});

race('h3_a_counter_under_if_match_counts_every_success', async (fleet, alice) => {
  expect(await alice.kv().put('counter', '0'), 200);
  let successes = 0;
  const writer = async (i: number) => {
    const kv = new Kv(alice.at(fleet.at(i)), alice.space);
    for (let n = 0; n < 10; n += 1) {
      const value = expect(await kv.get('counter'), 200).text;
      const answer = expect(await kv.put('counter', String(Number(value) + 1), { 'If-Match': etagOf(utf8(value)) }), [200, 412, 503]);
      if (answer.status === 200) successes += 1;
    }
  };
  await Promise.all([0, 1, 2, 3].map(writer));
  assert.ok(successes > 0);
  expect(await alice.kv().get('counter'), 200, String(successes));
});

race('h3_a_database_at_two_processes_counts_every_success', async (fleet, alice) => {
  expect(await alice.sql('race').execute('CREATE TABLE c AS SELECT 0 AS n'), 200);
  const writer = async (i: number) => {
    const sql = new Sql(alice.at(fleet.at(i)), alice.space, 'race');
    for (let n = 0; n < 10; n += 1) expect(await sql.execute('UPDATE c SET n = n + 1'), 200);
  };
  await Promise.all([0, 1, 2, 3].map(writer));
  for (const i of [0, 1]) {
    const rows = expect(await new Sql(alice.at(fleet.at(i)), alice.space, 'race').query('SELECT n FROM c'), 200).json<Rows>().rows;
    assert.deepEqual(rows, [[40]]);
  }
});

race('h3_a_batch_at_two_processes_is_whole', async (fleet, alice) => {
  const paths = Array.from({ length: 8 }, (_, i) => `whole/${i}`);
  const writer = async (i: number) => {
    const kv = new Kv(alice.at(fleet.at(i)), alice.space);
    for (let n = 0; n < 5; n += 1) expect(await kv.batch('tinycloud.kv/put', paths, { body: multipart(paths.map((path) => ({ path, value: `${i} ${n}` }))) }), 200);
  };
  await Promise.all([0, 1].map(writer));
  const values = new Set<string>();
  for (const path of paths) values.add(expect(await alice.kv().get(path), 200).text);
  assert.equal(values.size, 1, [...values].join(' | '));
});

race('h3_after_a_revocation_is_acknowledged_no_process_acts_on_it', async (fleet, alice) => {
  expect(await alice.kv().put('docs/a', 'x'), 200);
  for (let round = 0; round < 8; round += 1) {
    const key = Key.generate();
    const token = alice.delegation(key.did, grants({ [alice.kv().resource('docs/')]: ['tinycloud.kv/get', 'tinycloud.kv/put'] }));
    expect(await delegate(fleet, token), 200);
    const by = new Invoker(fleet, key, [token.cid]);
    let revoked = false;
    const busy = [0, 1].map(async (i) => {
      const kv = new Kv(by.at(fleet.at(i)), alice.space);
      for (let n = 0; n < 20; n += 1) {
        const before = revoked;
        const answer = await kv.put('docs/a', `${i} ${n}`);
        expect(answer, before ? 401 : [200, 401]);
      }
    });
    expect(await revokeByWallet(fleet.at(round), alice.wallet, token.cid), 200);
    revoked = true;
    await Promise.all(busy);
  }
});

race('h2_nothing_that_was_acknowledged_is_lost_when_both_processes_are_killed', async (fleet, alice) => {
  const kv = alice.kv();
  const sql = alice.sql('kept');
  expect(await sql.execute('CREATE TABLE t (n INTEGER PRIMARY KEY)'), 200);
  for (let round = 0; round < 5; round += 1) {
    const key = Key.generate();
    const given = alice.delegation(key.did, grants({ [kv.resource('kept/')]: ['tinycloud.kv/get'] }));
    const gone = alice.delegation(key.did, grants({ [kv.resource('kept/')]: ['tinycloud.kv/get'] }));
    const used = alice.token(grants({ [kv.resource('kept/once')]: ['tinycloud.kv/put'] }));
    await Promise.all([
      ...Array.from({ length: 10 }, async (_, i) => expect(await kv.put(`kept/${round}-${i}`, `${round} ${i}`), 200)),
      (async () => expect(await sql.execute('INSERT INTO t VALUES (?)', [round]), 200))(),
      (async () => expect(await delegate(fleet, given), 200))(),
      (async () => {
        expect(await delegate(fleet, gone), 200);
        expect(await revokeByWallet(fleet, alice.wallet, gone.cid), 200);
      })(),
      (async () => expect(await alice.present(used, { body: 'once' }), 200))(),
    ]);
    // the last acknowledgement was this moment
    await Promise.all(fleet.processes.map((one) => one.kill()));
    await Promise.all(fleet.processes.map((one) => one.start()));
    for (let i = 0; i < 10; i += 1) expect(await kv.get(`kept/${round}-${i}`), 200, `${round} ${i}`);
    assert.deepEqual(expect(await sql.query('SELECT count(*), max(n) FROM t'), 200).json<Rows>().rows, [[round + 1, round]]);
    expect(await new Kv(new Invoker(fleet, key, [given.cid]), alice.space).get(`kept/${round}-0`), 200);
    expect(await new Kv(new Invoker(fleet, key, [gone.cid]), alice.space).get(`kept/${round}-0`), 401, /^delegation-revoked: /);
    assert.equal(expect(await status(alice, gone.cid), 200).json<Status>().status, 'revoked');
    for (const i of [0, 1]) expect(await alice.at(fleet.at(i)).present(used, { body: 'twice' }), 409, /duplicate/);
    expect(await kv.get('kept/once'), 200, 'once');
  }
  assert.equal(expect(await kv.list('kept/'), 200).json<string[]>().length, 51);
});

race('h2_a_write_that_was_cut_off_is_there_whole_or_not_at_all', async (fleet, alice) => {
  const value = (n: number) => String.fromCharCode(97 + n).repeat(200_000);
  const kv = new Kv(alice, alice.space);
  const paths = ['cut/a', 'cut/b', 'cut/c'];
  const put = (n: number) => kv.batch('tinycloud.kv/put', paths, { body: multipart(paths.map((path) => ({ path, value: value(n) }))) });
  expect(await put(0), 200);
  for (let round = 1; round < 8; round += 1) {
    const asked = put(round).catch(() => undefined);
    const victims = fleet.processes.map(async (one) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      await one.kill();
      await one.start();
    });
    const answer = await asked;
    await Promise.all(victims);
    const found = new Set<string>();
    for (const path of paths) found.add(expect(await kv.get(path), 200).text);
    assert.equal(found.size, 1);
    if (answer?.status === 200) assert.ok(found.has(value(round)));
  }
});
