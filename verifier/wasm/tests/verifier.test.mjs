// The built file itself: `node --test verifier/wasm/tests/`. Needs nothing but Node.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const root = path.join(here, '../../..');
const module = await WebAssembly.compile(await readFile(path.join(root, 'web/verifier.wasm')));
const vectors = JSON.parse(await readFile(path.join(here, 'vectors.json'), 'utf8'));

/** A module of its own, asked as the page asks it. */
async function load() {
  const { exports } = await WebAssembly.instantiate(module, {});
  const { memory, alloc, dealloc, call } = exports;
  const askBytes = (bytes) => {
    const input = alloc(bytes.length);
    assert.notEqual(input, 0);
    new Uint8Array(memory.buffer, input, bytes.length).set(bytes);
    const output = call(input, bytes.length);
    dealloc(input, bytes.length);
    const length = new DataView(memory.buffer).getUint32(output, true);
    const json = new TextDecoder('utf-8', { fatal: true }).decode(
      new Uint8Array(memory.buffer, output + 4, length),
    );
    dealloc(output, 4 + length);
    return JSON.parse(json);
  };
  const ask = (input) =>
    askBytes(new TextEncoder().encode(typeof input === 'string' ? input : JSON.stringify(input)));
  return { ask, askBytes, exports };
}

/** A case's own input, or that of the case it is like, with members set or (by null) removed. */
function inputOf(vector) {
  if (vector.like === undefined) return vector.input;
  const input = { ...vectors.find(({ name }) => name === vector.like).input, ...vector.set };
  for (const [member, value] of Object.entries(vector.set)) if (value === null) delete input[member];
  return input;
}

test('the file imports nothing and exports four things', () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const names = WebAssembly.Module.exports(module).map(({ name, kind }) => `${kind} ${name}`);
  assert.deepEqual(names.filter((name) => !name.startsWith('global ')).sort(), [
    'function alloc',
    'function call',
    'function dealloc',
    'memory memory',
  ]);
});

test('every question gets its answer', async () => {
  const { ask } = await load();
  assert.ok(vectors.length > 80);
  for (const vector of vectors) {
    const answer = ask(inputOf(vector));
    if (vector.rule === undefined) assert.deepEqual(answer, { ok: vector.ok }, vector.name);
    else {
      assert.deepEqual(Object.keys(answer), ['error'], vector.name);
      assert.equal(answer.error.rule, vector.rule, vector.name);
      assert.ok(answer.error.message.length > 10, vector.name);
    }
  }
});

test('f13 every policy that the commands refuse is refused', async () => {
  const { ask } = await load();
  const policies = JSON.parse(await readFile(path.join(here, '../../tests/data/policies.json'), 'utf8'));
  assert.ok(policies.length > 20);
  const { input } = vectors.find(({ name }) => name === 'evidence');
  for (const { name, measurements, min_epoch, rule } of policies) {
    const answer = ask({ ...input, policy: { ...input.policy, measurements, min_epoch } });
    assert.equal(answer.error?.rule ?? null, rule, name);
  }
});

test('every op is among the questions, with a good answer and bad ones', () => {
  for (const op of ['evidence', 'archival', 'answer', 'receipt', 'successors']) {
    assert.ok(vectors.some(({ name, ok }) => name === op && ok !== undefined), op);
    assert.ok(vectors.filter(({ like }) => like === op).length >= 2, op);
  }
});

test('e16 an answer with one changed byte is refused', async () => {
  const { ask } = await load();
  const { input } = vectors.find(({ name }) => name === 'answer');
  for (const member of ['body', 'signature']) {
    const bytes = Buffer.from(input[member], 'hex');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] ^= 1;
      const answer = ask({ ...input, [member]: changed.toString('hex') });
      assert.equal(answer.error?.rule, 'statement_signature', `${member} ${at}`);
    }
  }
  const call = Buffer.from(input.call, 'hex');
  for (let at = 0; at < call.length; at++) {
    const changed = Buffer.from(call);
    changed[at] ^= 1;
    const answer = ask({ ...input, call: changed.toString('hex') });
    assert.equal(answer.error?.rule, 'answer_request', `call ${at}`);
  }
});

test('f5 garbage is refused without a trap', async () => {
  const { ask, askBytes, exports } = await load();
  for (let n = 0; n < 2_000; n++) {
    assert.equal(askBytes(randomBytes(n % 300)).error.rule, 'input');
  }
  const { input } = vectors.find(({ name }) => name === 'evidence');
  const document = Buffer.from(input.document, 'base64');
  for (let n = 0; n < 2_000; n++) {
    const changed = Buffer.from(document.subarray(0, n % 5 ? document.length : n * 2));
    for (const place of randomBytes(12).toString('hex').match(/.{6}/g)) {
      const at = Number.parseInt(place.slice(0, 4), 16) % Math.max(changed.length, 1);
      if (n % 5) changed[at] ^= Number.parseInt(place.slice(4), 16) | 1;
    }
    const answer = ask({ ...input, document: changed.toString('base64') });
    if (!changed.equals(document)) assert.ok(answer.error, `change ${n}`);
  }
  assert.equal(exports.alloc(4 * 1024 * 1024 + 1), 0);
  assert.equal(new DataView(exports.memory.buffer).getUint32(exports.call(0, 7), true) > 0, true);
});

test('memory does not grow with use', async () => {
  const { ask, exports } = await load();
  const { input } = vectors.find(({ name }) => name === 'evidence');
  for (let n = 0; n < 3; n++) ask(input);
  const before = exports.memory.buffer.byteLength;
  for (let n = 0; n < 100; n++) ask(input);
  assert.equal(exports.memory.buffer.byteLength, before);
});

// ---------------------------------------------------------------------------------------------
// Documents made by AWS hardware.

const ACCEPTED = 'accepted';
/** Refused unless debug is allowed. */
const DEBUG = 'debug';
/** Refused under the AWS root, accepted under `fake-root.der`. */
const FAKE_ROOT = 'fake root';

const TABLE = {
  'valid_20240907_prod_72ffd835.bin': ACCEPTED,
  'valid_20251110_prod_8e5652f3.bin': ACCEPTED,
  'valid_20250818_debug_050f82ac.bin': DEBUG,
  'valid_20251225_prod_54ae0f97.bin': ACCEPTED,
  'valid_20240917_debug_1ddb8b27.bin': DEBUG,
  'valid_20250106_prod_19b71700.bin': ACCEPTED,
  'valid_20241130_prod_69d51f98.bin': ACCEPTED,
  'valid_20260206_prod_1ad417fa.bin': ACCEPTED,
  'nitrotpm_20260201_799ae6d1.bin': 'nitrotpm_document',
  'mut-tag18.bin': ACCEPTED,
  'mut-trailing-byte.bin': 'trailing_bytes',
  'mut-pcr0-bit.bin': 'document_signature',
  'mut-payload-definite.bin': 'document_signature',
  'fake-root-ok.bin': FAKE_ROOT,
};

/** PCR0 as the document states it, read by no code of the verifier: after the key `pcrs`. */
function statedPcr0(document) {
  const key = Buffer.from('pcrs');
  const at = document.indexOf(key) + key.length;
  // A map of 16 to 23 entries, the key 0, a byte string of 48.
  assert.equal(document[at] & 0xe0, 0xa0);
  assert.deepEqual([...document.subarray(at + 1, at + 4)], [0x00, 0x58, 0x30]);
  return document.subarray(at + 4, at + 52).toString('hex');
}

const folder = process.env.NITRO_DOCUMENTS;

test(
  'documents of hardware get their verdicts',
  { skip: folder ? false : 'NOT RUN: NITRO_DOCUMENTS names no folder of real documents' },
  async (t) => {
    const { ask } = await load();
    const files = (await readdir(folder)).filter((name) => name.endsWith('.bin')).sort();
    assert.deepEqual(files, Object.keys(TABLE).sort());
    const fakeRoot = new X509Certificate(await readFile(path.join(folder, 'fake-root.der')));
    for (const name of files) {
      const document = await readFile(path.join(folder, name));
      // A NitroTPM's document has no `pcrs`; whatever the policy lists, it is refused before.
      const pcr0 = document.includes('\x64pcrs') ? statedPcr0(document) : 'ab'.repeat(48);
      const judge = (more) =>
        ask({
          op: 'archival',
          document: document.toString('base64'),
          policy: { version: 1, measurements: [{ 0: pcr0 }], ...more },
          any_configuration: true,
        });
      const must = TABLE[name];
      const answer = judge({});
      if (must === ACCEPTED) {
        assert.equal(answer.ok?.measurements['0'], pcr0, `${name}: ${JSON.stringify(answer)}`);
        assert.equal(answer.ok.debug, false, name);
        const other = judge({ measurements: [{ 0: 'ab'.repeat(48) }] });
        assert.equal(other.error?.rule, 'measurement_mismatch', name);
      } else if (must === DEBUG) {
        // Registers of zeros name no code, so that no policy of the page accepts debug mode.
        assert.equal(answer.error?.rule, 'code_missing', name);
        const measurements = [{ 0: 'ab'.repeat(48) }];
        assert.equal(judge({ measurements }).error?.rule, 'debug_mode', name);
        const allowed = judge({ measurements, allow_debug: true });
        assert.equal(allowed.error?.rule, 'measurement_mismatch', name);
      } else if (must === FAKE_ROOT) {
        assert.equal(answer.error?.rule, 'unknown_root', name);
        const { ok } = judge({ roots: [fakeRoot.toString()] });
        const sha256 = createHash('sha256').update(fakeRoot.raw).digest('hex');
        assert.equal(ok?.root_sha256, sha256, name);
      } else {
        assert.equal(answer.error?.rule, must, name);
      }
    }
    assert.ok(files.length >= 14);
    t.diagnostic(`${files.length} documents judged`);
  },
);

test('f6 the committed document of hardware is accepted', async () => {
  const { ask } = await load();
  const file = path.join(root, 'attestation/tests/data/hardware/attestation.cose');
  const document = await readFile(file);
  const { ok } = ask({
    op: 'archival',
    document: document.toString('base64'),
    policy: { version: 1, measurements: [{ 0: statedPcr0(document) }] },
    any_configuration: true,
  });
  assert.equal(ok.simulator, false);
  assert.equal(ok.binding, null);
});
