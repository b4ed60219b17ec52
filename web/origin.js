// Which addresses can be this page's own: the anchor says it; what the host writes into config.json can
// only choose among them. And what a node's address looks like.

/** A machine that talks to itself, where simulators run. */
const LOOPBACK = /^(([a-z0-9-]+\.)*localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Whether an origin can be the one of the page with this anchor: the relying party of the anchor or below
 * it, by HTTPS; for a simulator's anchor also a loopback address.
 * @param {string} origin
 * @param {Uint8Array | null} anchor the file, as it lies beside the page
 */
export function belongs(origin, anchor) {
  const url = URL.canParse(origin) ? new URL(origin) : null;
  const told = read(anchor);
  if (url?.origin !== origin || told === null) return false;
  const { hostname, protocol } = url;
  if (told.simulator && protocol === 'http:' && LOOPBACK.test(hostname)) return true;
  return protocol === 'https:' && (hostname === told.rpId || hostname.endsWith(`.${told.rpId}`));
}

/** Where a node may be asked without encryption, as `openkey-verify page` has it. */
const OWN = ['localhost', '127.0.0.1', '[::1]'];

/** Longest address of a node, in characters: a name of DNS and a port. */
const LONGEST = 270;

/**
 * Whether a text is the address of a node: an origin by HTTPS, or by HTTP on this machine, as a browser writes it.
 * @param {unknown} text
 * @returns {text is string}
 */
export function isNode(text) {
  if (typeof text !== 'string' || text.length > LONGEST || !URL.canParse(text)) return false;
  const { origin, protocol, hostname } = new URL(text);
  return origin === text && (protocol === 'https:' || (protocol === 'http:' && OWN.includes(hostname)));
}

/**
 * Whether an anchor can be the one of a deployment that this browser remembers: no chain of releases leads to another
 * relying party, nor from a deployment to a simulator or back.
 * @param {Uint8Array | null} anchor the file, as it lies beside the page
 * @param {string} known what is remembered
 */
export function continues(anchor, known) {
  const told = read(anchor);
  try {
    // Whether there are roots of a simulator: which ones it does not keep.
    const { rp_id: rpId, simulator } = JSON.parse(known);
    return told !== null && told.rpId === rpId && told.simulator === simulator;
  } catch {
    return false;
  }
}

/**
 * The verifier reads the anchor strictly before anything counts; here it only says where the page belongs.
 * @param {Uint8Array | null} anchor
 */
function read(anchor) {
  if (anchor === null) return null;
  try {
    const { rp_id: rpId, simulator } = JSON.parse(new TextDecoder().decode(anchor));
    return typeof rpId === 'string' && rpId !== '' ? { rpId, simulator: typeof simulator === 'object' && simulator !== null } : null;
  } catch {
    return null;
  }
}
