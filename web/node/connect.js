// From an address to a session at a node: a key, a sign-in with permissions, and, where the node does
// not keep the space yet, a second signature that lets it.

import { random, toHex } from '../bytes.js';
import { Failure } from '../errors.js';
import { cacaoHeader, signInText } from './cacao.js';
import { didUrl } from './did.js';
import { makeKeys, signerOf } from './session.js';
import { invocation } from './ucan.js';

/** @import { SignIn } from './cacao.js' */
/** @import { NodeClient } from './client.js' */
/** @import { Session } from './session.js' */

/** What the session may do with values in its folder. */
const ABILITIES = ['del', 'get', 'list', 'metadata', 'put'].map((name) => `tinycloud.kv/${name}`);
/** The chain of the account: Ethereum's. */
const CHAIN = 1;
/** How long a node may take to use a hosting signature, in milliseconds. */
const HOSTING_LIFE = 10 * 60_000;

/** @typedef {'key' | 'session' | 'node' | 'hosting' | 'ready'} Step */

/**
 * @typedef {object} Wish
 * @property {NodeClient} client
 * @property {string} address EIP-55
 * @property {string} folder as {@link folderOf} gives it
 * @property {number} life of the session, in milliseconds
 * @property {(title: string, text: string) => Promise<string | null>} sign asks the person; null: cancelled
 * @property {(step: Step, words: string) => void} tell
 */

/**
 * The default space of an address.
 * @param {string} address EIP-55
 */
export function spaceOf(address) {
  return `tinycloud:pkh:eip155:${CHAIN}:${address}:default`;
}

/**
 * A folder as it stands in resources: with a `/` at its end, or empty for everything.
 * @param {string} text
 * @returns {string}
 */
export function folderOf(text) {
  const folder = text.trim().replace(/\/$/, '');
  if (folder === '') return '';
  const isPart = (/** @type {string} */ part) => /^[A-Za-z0-9._~-]+$/.test(part) && part !== '.' && part !== '..';
  if (!folder.split('/').every(isPart)) {
    throw new Failure('page', 'folder', {
      title: 'This is no folder',
      message: 'A folder has letters, digits, dots, dashes and underscores, with single slashes between.',
      advice: 'Write something like notes/2026.',
    });
  }
  return `${folder}/`;
}

/**
 * Connects, or returns null if the person cancelled.
 * @param {Wish} wish
 * @returns {Promise<Session | null>}
 */
export async function connectTo(wish) {
  const { client, address, tell } = wish;
  await client.info();
  const keys = await makeKeys();
  const signer = await signerOf(keys);
  tell('key', signer.did);
  const space = spaceOf(address);
  const made = Date.now();
  const expires = made + wish.life;
  const session = part(address, made, expires, didUrl(signer.did), {
    [`${space}/kv${wish.folder === '' ? '' : `/${wish.folder}`}`]: ABILITIES,
  });
  const token = await signed(wish, 'Sign in with permissions', session);
  if (token === null) return null;
  tell('session', 'You approved the permissions.');
  let delegated = await client.delegate(token);
  tell('node', delegated.cid);
  if (delegated.skipped.includes(space)) {
    const host = await client.host(space);
    const now = Date.now();
    const hosting = part(address, now, now + HOSTING_LIFE, host, { [`${space}/space`]: ['tinycloud.space/host'] });
    const allowed = await signed(wish, 'Let the node keep your space', hosting);
    if (allowed === null) return null;
    await client.delegate(allowed);
    delegated = await client.delegate(token);
    if (delegated.skipped.includes(space)) throw notKept();
    tell('hosting', host);
  } else tell('hosting', 'It says that it keeps your space already.');
  return { node: client.origin, space, folder: wish.folder, cid: delegated.cid, expires, keys };
}

/**
 * Writes a value and reads it back.
 * @param {NodeClient} client
 * @param {Session} session
 * @param {string} name
 * @param {string} value
 * @returns {Promise<string>} what the node gives back
 */
export async function writeAndRead(client, session, name, value) {
  const signer = await signerOf(session.keys);
  const resource = `${session.space}/kv/${session.folder}${name}`;
  await client.invoke(await invocation(signer, session.cid, resource, 'tinycloud.kv/put'), value);
  return client.invoke(await invocation(signer, session.cid, resource, 'tinycloud.kv/get'));
}

/**
 * @param {string} address
 * @param {number} made
 * @param {number} expires
 * @param {string} audience
 * @param {Record<string, string[]>} grants
 * @returns {SignIn}
 */
function part(address, made, expires, audience, grants) {
  return {
    domain: location.host,
    address,
    chain: CHAIN,
    audience,
    nonce: toHex(random(8)),
    issued: new Date(made).toISOString(),
    expires: new Date(expires).toISOString(),
    grants,
  };
}

/**
 * @param {Wish} wish
 * @param {string} title
 * @param {SignIn} what
 */
async function signed(wish, title, what) {
  const signature = await wish.sign(title, signInText(what));
  return signature === null ? null : cacaoHeader(what, signature);
}

function notKept() {
  return new Failure('node', 'node_not_kept', {
    title: 'The node does not keep your space',
    message: 'It took your permission to keep it, but says that it does not.',
    advice: 'The node may not take new spaces. Ask its operator, then connect again.',
  });
}
