// Session keys: made by the browser, never readable by the page, kept in this browser alone.

import { Failure } from '../errors.js';
import { didOf } from './did.js';

/** @import { Signer } from './ucan.js' */

const DATABASE = 'openkey-node';
const STORE = 'sessions';

/** @typedef {{ node: string, space: string, folder: string, cid: string, expires: number, keys: CryptoKeyPair }} Session `expires` in milliseconds since 1970 */

/**
 * A key pair whose private half the page cannot read.
 * @returns {Promise<CryptoKeyPair>}
 */
export async function makeKeys() {
  try {
    return /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey({ name: 'Ed25519' }, false, ['sign', 'verify']));
  } catch (cause) {
    throw new Failure('page', 'no_ed25519', {
      title: 'This browser cannot make a session key',
      message: 'It has no Ed25519 keys (Web Cryptography).',
      advice: 'Use a recent version of Chrome, Edge, Firefox or Safari.',
      cause,
    });
  }
}

/**
 * @param {CryptoKeyPair} keys
 * @returns {Promise<Signer>}
 */
export async function signerOf(keys) {
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', keys.publicKey));
  return {
    did: didOf(publicKey),
    publicKey,
    sign: async (bytes) => new Uint8Array(await crypto.subtle.sign({ name: 'Ed25519' }, keys.privateKey, bytes)),
  };
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
async function transact(mode, act) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/**
 * The session of an address that this browser keeps, if it still holds.
 * @param {string} address
 * @returns {Promise<Session | null>}
 */
export async function keptSession(address) {
  /** @type {Session | undefined} */
  const session = await transact('readonly', (store) => store.get(address)).catch(() => undefined);
  return session && session.expires > Date.now() ? session : null;
}

/**
 * Keeps a session. A browser that refuses only forgets it when the page closes.
 * @param {string} address
 * @param {Session} session
 * @returns {Promise<boolean>} whether it is kept
 */
export async function keepSession(address, session) {
  return transact('readwrite', (store) => store.put(session, address)).then(
    () => true,
    () => false,
  );
}

/**
 * Forgets all sessions of this browser, whoever's they are.
 * @param {IDBFactory} [kept]
 */
export function dropSessions(kept = globalThis.indexedDB) {
  try {
    kept?.deleteDatabase(DATABASE);
  } catch {
    // A browser that refuses storage keeps none.
  }
}

/** @param {string} address */
export async function forgetSession(address) {
  await transact('readwrite', (store) => store.delete(address)).catch(() => {});
}
