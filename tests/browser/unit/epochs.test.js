// E15, P2: the epoch that a browser remembers, judged by the verifier itself over documents of a root that the anchor names.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Store } from '../../../web/store.js';
import { Verifier } from '../../../web/verifier.js';
import { Visit } from '../../../web/visit.js';
import { Hardware } from '../lib/hardware.js';
import { Maintainer, released } from '../lib/maintainer.js';

const verifier = await Verifier.fromBytes(await readFile(new URL('../../../web/verifier.wasm', import.meta.url)));
const CONFIGURATION = new Uint8Array(32).fill(5);
const ROOT_ID = new Uint8Array(32).fill(7);
const CONFIGURED = createHash('sha384').update(new Uint8Array(48)).update(CONFIGURATION).digest('hex');
const measurements = (/** @type {number} */ epoch) => ({ 0: `${epoch}0`.repeat(48), 1: `${epoch}1`.repeat(48), 2: `${epoch}2`.repeat(48) });
const maintainer = Maintainer.stranger();
const date = (/** @type {number} */ ms) => new Date(ms).toISOString().replace(/\.\d+Z/, 'Z');
const release = (/** @type {number} */ epoch) => {
  const manifest = {
    version: 1, name: 'openkey-enclave', release: `${epoch}.0.0`, epoch, source_commit: '00'.repeat(20), cargo_lock_sha256: '00'.repeat(32), toolchain: {},
    measurements: measurements(epoch), configuration: '05'.repeat(32), page: null, not_before: date(Date.now() - 60_000), not_after: date(Date.now() + 3_600_000),
  };
  return released({ releases: [{ manifest }] }, (one) => one, [maintainer]);
};

/** @param {number} epoch @param {boolean} [root] whether it has the root key */
const enclave = (epoch, root = true) =>
  new Hardware({
    simulator: true,
    measurements: { ...measurements(epoch), 16: CONFIGURED },
    binding: { version: 4, configuration: CONFIGURATION, root_source: root ? 'operators' : null, root_id: ROOT_ID, release: `${epoch}.0.0`, epoch, tls_key: null, rollback: 'clients-only', pending: root ? 'unknown' : null, withdrawn: null },
  });
const E1 = enclave(1);
const E2 = enclave(2);
const BARE2 = enclave(2, false);
const releases = JSON.stringify({ version: 1, releases: [release(1), release(2)] });
const anchor = new TextEncoder().encode(
  JSON.stringify({ version: 1, release_keys: { threshold: 1, keys: [maintainer.public] }, root_id: '07'.repeat(32), rp_id: 'localhost', min_epoch: 1, simulator: { roots: [E1, E2, BARE2].map(({ pem }) => pem) } }),
);

/** @returns {any} */
const area = () => {
  const map = new Map();
  return { map, getItem: (/** @type {string} */ k) => map.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => map.set(k, v), removeItem: (/** @type {string} */ k) => map.delete(k) };
};
const tab = (local = area()) => {
  let now = E1;
  const api = { evidence: async (/** @type {Uint8Array} */ nonce) => new Uint8Array(now.document(nonce)), refused() {} };
  const store = new Store(local, area());
  const visit = new Visit(/** @type {any} */ (api), /** @type {any} */ ({ policy: null }), store, async () => verifier, async () => ({ anchor, releases }), { hostname: 'localhost', origin: 'http://localhost' });
  const shown = async (/** @type {Hardware[]} */ ...enclaves) => {
    for (const one of enclaves) {
      now = one;
      await visit.verify();
    }
  };
  return { store, visit, shown, epoch: () => JSON.parse(store.deployment() ?? '{}').epoch };
};
const refuses = (/** @type {ReturnType<typeof tab>} */ one) => assert.rejects(one.shown(E1), { code: 'measurement_mismatch' });

test('e15_p2_an_image_without_the_root_key_does_not_bring_down_what_the_first_sign_in_remembers', async () => {
  for (const order of [[E2, E1], [E2, BARE2, E1], [BARE2, E2, E1], [E2, BARE2]]) {
    const one = tab();
    await one.shown(...order);
    assert.equal(one.visit.remember(), true);
    assert.equal(one.epoch(), 2);
    await refuses(one);
  }
  // Nor does it bring it up.
  const bare = tab();
  await bare.shown(BARE2, E1);
  assert.equal(bare.visit.remember(), true);
  assert.equal(bare.epoch(), 1);
});

test('e15_p2_a_policy_of_the_visitor_s_own_forgets_no_epoch_that_was_seen', async () => {
  const one = tab();
  await one.shown(E2);
  one.visit.choose(/** @type {any} */ ({ version: 1, measurements: [{ ...measurements(1), 16: CONFIGURED }], roots: [E1.pem], simulator: true }));
  one.visit.choose(null);
  await one.shown(E1);
  assert.equal(one.visit.remember(), true);
  assert.equal(one.epoch(), 2);
});

test('e15_p2_of_all_that_is_remembered_the_highest_epoch_is_kept', async () => {
  const local = area();
  const one = tab(local);
  await one.shown(E1);
  one.visit.remember();
  const other = tab(local);
  await other.shown(E2);
  // The one that stays open has learned of it, and the storage is emptied under both.
  await refuses(one);
  const lower = JSON.stringify({ ...JSON.parse(String(local.map.get('openkey.deployment'))), epoch: 1 });
  for (const empty of [() => local.map.clear(), () => local.map.set('openkey.deployment', lower)]) {
    for (const open of [one, other]) {
      empty();
      await open.shown(BARE2);
      assert.equal(open.epoch(), 2);
      empty();
      open.store.restore();
      assert.equal(JSON.parse(String(local.map.get('openkey.deployment'))).epoch, 2);
      await refuses(open);
    }
  }
});

test('e15_p2_where_two_texts_are_remembered_the_higher_one_is_kept_whichever_is_last', async () => {
  for (const highest of ['first', 'last']) {
    const local = area();
    const one = tab(local);
    await one.shown(E1);
    one.visit.remember();
    // The same deployment, written in another order of members: each is a condition.
    const { epoch, ...rest } = JSON.parse(String(one.store.deployment()));
    one.store.keepDeployment(JSON.stringify({ ...rest, epoch: highest === 'first' ? 2 : epoch }));
    local.map.set('openkey.deployment', JSON.stringify({ epoch: highest === 'first' ? epoch : 2, ...rest }));
    assert.equal(one.store.deployments().length, 2);
    await one.shown(BARE2);
    assert.deepEqual(one.store.deployments().map((text) => JSON.parse(text).epoch), [2]);
  }
});
