// Chains of delegations: threat G5, at a node.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromHex } from './client/bytes.js';
import { cacao, encodeCacao, iso, payload, tokenOf, type Token } from './client/cacao.js';
import { capabilities, revokeByWallet, type Capabilities } from './client/delegations.js';
import { delegate, Invoker } from './client/invoker.js';
import { Key } from './client/keys.js';
import { Kv } from './client/kv.js';
import { grants } from './client/recap.js';
import { signIn } from './client/session.js';
import { message } from './client/siwe.js';
import { now } from './client/ucan.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectMissing, scenario } from './lib/scenario.js';

/** How many delegations a chain may have. */
const LINKS = 64;

const fleet = await Fleet.start();
after(() => fleet.stop());
const alice = await signIn(fleet, new Wallet());
const kv = alice.kv();
expect(await kv.put('docs/a', 'value'), 200);
const wanted = grants({ [kv.resource('docs/')]: ['tinycloud.kv/get'] });
const end = Math.floor(now()) + 3600;

/** A delegation by this one, posted. */
const link = async (by: Invoker, att = wanted, claims: Parameters<Invoker['token']>[1] = {}): Promise<{ token: Token; next: Invoker }> => {
  const key = Key.generate();
  const token = by.delegation(key.did, att, { exp: end, ...claims });
  expect(await delegate(fleet, token), 200);
  return { token, next: new Invoker(fleet, key, [token.cid]) };
};
/** A delegation's token, as whoever may read the permissions of the space sees it. */
const capabilitiesOf = (all: Capabilities, cid: string): string => {
  const raw = all[cid]?.raw;
  assert.ok(raw);
  return raw;
};
const read = (by: Invoker) => new Kv(by, kv.space).get('docs/a');

scenario('h3_a_delegation_is_not_carried_out_by_who_saw_it', async () => {
  for (const [resource, ability] of [[kv.resource('docs/a'), 'tinycloud.kv/get'], [kv.resource('docs/b'), 'tinycloud.kv/put']] as const) {
    const given = await link(alice, grants({ [resource]: [ability] }), { exp: now() + 120 });
    const seen = capabilitiesOf(expect(await capabilities(alice, kv.space), 200).json<Capabilities>(), given.token.cid);
    expect(await fleet.send(() => ({ method: 'POST', path: '/invoke', headers: { Authorization: seen }, body: 'x' })), 409, 'duplicate invocation');
    const ask = JSON.stringify({ space: kv.space, path: 'docs/a' });
    expect(await fleet.send(() => ({ method: 'POST', path: '/signed/kv', headers: { Authorization: seen, 'Content-Type': 'application/json' }, body: ask })), 409);
    expect(await given.next.one(resource, ability, { body: 'y' }), 200);
  }
});

scenario('g5_a_link_that_nobody_posted_is_missing', async () => {
  const key = Key.generate();
  const unposted = alice.delegation(key.did, wanted);
  const by = new Invoker(fleet, key, [unposted.cid]);
  expect(await read(by), 401, /^Cannot find parent delegation/);
  expect(await delegate(fleet, by.delegation(Key.generate().did, wanted)), 401, /^Cannot find parent delegation/);
  expect(await delegate(fleet, unposted), 200);
  expect(await read(by), 200, 'value');
});

scenario('g5_a_link_given_to_somebody_else_is_foreign', async () => {
  const one = await link(alice);
  const stranger = new Invoker(fleet, Key.generate(), [one.token.cid]);
  expect(await read(stranger), 401, /^Unauthorized Invoker/);
  expect(await delegate(fleet, stranger.delegation(Key.generate().did, wanted)), 401, `Unauthorized Delegator: ${stranger.key.did}`);
  // citing the parent of one's parent
  expect(await read(new Invoker(fleet, one.next.key, [alice.root.cid])), 401, /^Unauthorized Invoker/);
  // one of two proofs is foreign
  expect(await read(new Invoker(fleet, one.next.key, [one.token.cid, alice.root.cid])), 401, /^Unauthorized Invoker/);
});

scenario('g5_links_in_another_order_do_not_hold', async () => {
  const one = await link(alice);
  const two = await link(one.next);
  for (const proofs of [[one.token.cid], [one.token.cid, two.token.cid], [two.token.cid, one.token.cid]]) {
    expect(await read(new Invoker(fleet, two.next.key, proofs)), 401, /^Unauthorized Invoker/);
  }
  expect(await read(new Invoker(fleet, two.next.key, [two.token.cid, two.token.cid])), 401);
  expect(await read(two.next), 200, 'value');
});

scenario('g5_a_revoked_link_anywhere_ends_the_chain', async () => {
  const person = await signIn(fleet, alice.wallet);
  const links = [];
  let by: Invoker = person;
  for (let i = 0; i < 4; i += 1) {
    const made = await link(by);
    links.push(made);
    by = made.next;
  }
  expect(await read(by), 200, 'value');
  const [, second, third] = links;
  assert.ok(second && third);
  expect(await revokeByWallet(fleet, alice.wallet, second.token.cid), 200);
  expect(await read(by), 401, /^delegation-ancestor-revoked: /);
  expect(await read(third.next), 401, /^delegation-ancestor-revoked: /);
  expect(await read(second.next), 401, /^delegation-revoked: /);
  expect(await read(links[0]?.next ?? alice), 200, 'value');
  // a revoked sign-in takes all with it
  expect(await revokeByWallet(fleet, alice.wallet, person.root.cid), 200);
  expect(await read(links[0]?.next ?? alice), 401, /^delegation-ancestor-revoked: /);
  expect(await read(person), 401, /^delegation-revoked: /);
});

scenario('g5_a_revoked_sign_in_does_not_come_back_with_another_form_of_its_signature', async () => {
  const key = Key.generate();
  const fields = payload(alice.wallet, { audience: key.url, att: wanted, expires: iso(Date.now() + 3600_000) });
  const signature = fromHex(await alice.wallet.sign(message(fields)));
  const forms = [0, 27, 54].map((offset) => {
    const v = ((signature[64] ?? 27) - 27) % 27;
    return tokenOf(encodeCacao(fields, Uint8Array.from([...signature.slice(0, 64), v + offset])));
  });
  const [first, ...others] = forms;
  assert.ok(first);
  expect(await delegate(fleet, first), 200);
  expect(await read(new Invoker(fleet, key, [first.cid])), 200, 'value');
  expect(await revokeByWallet(fleet, alice.wallet, first.cid), 200);
  for (const token of others) {
    await delegate(fleet, token);
    expect(await read(new Invoker(fleet, key, [token.cid])), 401);
  }
});

scenario('g5_a_sign_in_that_was_revoked_before_it_came_does_not_come_in_another_form', async () => {
  const key = Key.generate();
  const fields = payload(alice.wallet, { audience: key.url, att: wanted, expires: iso(Date.now() + 3600_000) });
  const signature = fromHex(await alice.wallet.sign(message(fields)));
  const forms = [0, 27, 54].map((offset) => {
    const v = ((signature[64] ?? 27) - 27) % 27;
    return tokenOf(encodeCacao(fields, Uint8Array.from([...signature.slice(0, 64), v + offset])));
  });
  const [first, ...others] = forms;
  assert.ok(first);
  expect(await revokeByWallet(fleet, alice.wallet, first.cid), 200);
  for (const token of [...others, first]) {
    expect(await delegate(fleet, token), 401);
    expect(await read(new Invoker(fleet, key, [token.cid])), 401);
  }
});

scenario('g5_a_sign_in_that_came_in_another_form_is_revoked_by_the_name_that_its_owner_knows', async () => {
  const key = Key.generate();
  const fields = payload(alice.wallet, { audience: key.url, att: wanted, expires: iso(Date.now() + 3600_000) });
  const signature = fromHex(await alice.wallet.sign(message(fields)));
  const v = ((signature[64] ?? 27) - 27) % 27;
  const [known, posted] = [27, 0].map((offset) => tokenOf(encodeCacao(fields, Uint8Array.from([...signature.slice(0, 64), v + offset]))));
  assert.ok(known && posted);
  expect(await delegate(fleet, posted), 200);
  const thief = new Invoker(fleet, key, [posted.cid]);
  expect(await read(thief), 200);
  // not by somebody who is no party of it
  expect(await revokeByWallet(fleet, new Wallet(), known.cid), 404);
  expect(await read(thief), 200);
  expect(await revokeByWallet(fleet, alice.wallet, known.cid), 200);
  expect(await read(thief), 401);
  expect(await delegate(fleet, known), 401);
});

scenario('h10_ten_forms_of_one_signature_are_one_delegation', async () => {
  const key = Key.generate();
  const fields = payload(alice.wallet, { audience: key.url, att: wanted, expires: iso(Date.now() + 3600_000) });
  const signature = fromHex(await alice.wallet.sign(message(fields)));
  const cids = [];
  for (let form = 0; form < 9; form += 1) {
    const v = ((signature[64] ?? 27) - 27) % 27;
    const token = tokenOf(encodeCacao(fields, Uint8Array.from([...signature.slice(0, 64), v + 27 * form])));
    const answer = expect(await delegate(fleet, token), form < 4 ? 200 : 403);
    // each that was taken is used by its own name
    expect(await read(new Invoker(fleet, key, [token.cid])), form < 4 ? 200 : 401);
    if (answer.status === 200) cids.push(token.cid);
  }
  const all = expect(await capabilities(alice, alice.space), 200).json<Capabilities>();
  assert.deepEqual(cids.filter((cid) => cid in all), cids.slice(0, 1));
});

scenario('g5_an_expired_link_anywhere_ends_the_chain', async () => {
  const key = Key.generate();
  const soon = Date.now() + 6000;
  const root = await cacao(alice.wallet, { audience: key.did, att: wanted, expires: iso(soon) });
  expect(await delegate(fleet, root), 200);
  const session = new Invoker(fleet, key, [root.cid]);
  expect(await delegate(fleet, session.delegation(Key.generate().did, wanted, { exp: soon / 1000 + 60 })), 401, /Child delegation expiry exceeds parent expiry/);
  const child = await link(session, wanted, { exp: Math.floor(soon / 1000) });
  expect(await read(child.next), 200, 'value');
  await sleep(Math.max(0, soon - Date.now()) + 200);
  expect(await read(child.next), 401);
  expect(await read(session), 401);
  expect(await delegate(fleet, session.delegation(Key.generate().did, wanted, { exp: now() + 1 })), 401);
});

scenario('g5_a_link_that_is_not_valid_yet_waits', async () => {
  const start = Math.floor(now()) + 60;
  const key = Key.generate();
  // refused or kept until then, never used before
  const early = await cacao(alice.wallet, { audience: key.did, att: wanted, expires: iso(Date.now() + 3600_000), notBefore: iso(start * 1000) });
  expect(await delegate(fleet, early), 401);
  expect(await read(new Invoker(fleet, key, [early.cid])), 401);
  // a child that begins before its parent
  const late = Key.generate();
  const parent = await cacao(alice.wallet, { audience: late.did, att: wanted, expires: iso(Date.now() + 3600_000), notBefore: iso(Date.now() - 5000) });
  expect(await delegate(fleet, parent), 200);
  const by = new Invoker(fleet, late, [parent.cid]);
  expect(await delegate(fleet, by.delegation(Key.generate().did, wanted, { exp: now() + 60, nbf: now() - 60 })), 401, /Child delegation not_before precedes parent not_before/);
  expect(await delegate(fleet, by.delegation(Key.generate().did, wanted, { exp: now() + 60, nbf: now() - 1 })), 200);
  // one that does not say when it begins does so now, as those of clients
  expect(await delegate(fleet, by.delegation(Key.generate().did, wanted, { exp: now() + 60 })), 200);
});

scenario('g5_no_link_is_wider_than_the_one_above', async () => {
  const one = await link(alice);
  for (const [resource, ability] of [[kv.resource('docs'), 'tinycloud.kv/get'], [`${kv.space}/kv`, 'tinycloud.kv/get'], [kv.resource('docs/'), 'tinycloud.kv/put'], [`${alice.wallet.space('account')}/kv/docs/`, 'tinycloud.kv/get'], [kv.resource('docs/#f'), 'tinycloud.kv/get'], ['https://app.example/', 'tinycloud.kv/get']] as const) {
    expect(await delegate(fleet, one.next.delegation(Key.generate().did, grants({ [resource]: [ability] }), { exp: end })), 401, `Unauthorized Capability: ${resource}, ${ability}`);
  }
  expectMissing(await new Kv(one.next, kv.space).put('docs/a', 'x'), kv.resource('docs/a'), 'tinycloud.kv/put');
});

scenario('g5_a_chain_that_goes_in_circles_gives_nothing_more', async () => {
  const one = Key.generate();
  const two = Key.generate();
  let by = new Invoker(fleet, one, []);
  const first = alice.delegation(one.did, wanted, { exp: end });
  expect(await delegate(fleet, first), 200);
  let cid = first.cid;
  for (let i = 0; i < 6; i += 1) {
    const [from, to] = i % 2 === 0 ? [one, two] : [two, one];
    const token = new Invoker(fleet, from, [cid]).delegation(to.did, wanted, { exp: end });
    expect(await delegate(fleet, token), 200);
    cid = token.cid;
  }
  by = new Invoker(fleet, one, [cid]);
  expect(await read(by), 200, 'value');
  expectMissing(await new Kv(by, kv.space).get('other'), kv.resource('other'), 'tinycloud.kv/get');
  expect(await revokeByWallet(fleet, alice.wallet, first.cid), 200);
  expect(await read(by), 401, /^delegation-ancestor-revoked: /);
});

scenario('g5_sixty_five_links_are_too_many', async () => {
  let by: Invoker = alice;
  // the sign-in is the first
  for (let links = 2; links <= LINKS; links += 1) by = (await link(by)).next;
  expect(await read(by), 200, 'value');
  const key = Key.generate();
  const more = by.delegation(key.did, wanted, { exp: end });
  const answer = expect(await delegate(fleet, more), [200, 401]);
  if (answer.status === 401) assert.match(answer.text, /delegation-chain-traversal-limit-exceeded/);
  expect(await read(new Invoker(fleet, key, [more.cid])), 401, answer.status === 200 ? /delegation-chain-traversal-limit-exceeded/ : /Cannot find parent delegation/);
});

scenario('g5_more_proofs_than_a_chain_may_have_are_refused_at_once', async () => {
  const key = Key.generate();
  const cids: string[] = [];
  for (let i = 0; i < LINKS + 2; i += 1) {
    const token = alice.delegation(key.did, wanted, { exp: end });
    expect(await delegate(fleet, token), 200);
    cids.push(token.cid);
  }
  expect(await read(new Invoker(fleet, key, cids)), 401);
  expect(await read(new Invoker(fleet, key, cids.slice(0, 8))), 200, 'value');
});
