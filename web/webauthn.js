// Passkeys: the enclave's options to the browser's calls, and their answers back as raw bytes.

import { Failure, passkeyFailure } from './errors.js';

/** @import { Assertion, Bytes, CreationOptions, NewCredential } from './messages.js' */

/** Whether this browser can use passkeys here at all. */
export function supported() {
  return window.isSecureContext && typeof PublicKeyCredential === 'function' && 'credentials' in navigator;
}

/**
 * Makes a passkey.
 *
 * @param {CreationOptions} options
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ credential: NewCredential, spki: Bytes }>} with the public key as the
 *   authenticator of this very device gave it to the browser (SubjectPublicKeyInfo, DER)
 * @throws {Failure}
 */
export async function create(options, signal) {
  let made;
  try {
    made = await navigator.credentials.create({
      ...(signal ? { signal } : {}),
      publicKey: {
        challenge: options.challenge,
        rp: { id: options.rp_id, name: options.rp_name },
        user: { id: options.user_id, name: options.user_name, displayName: options.user_name },
        pubKeyCredParams: options.algorithms.map((alg) => ({ type: 'public-key', alg })),
        excludeCredentials: options.exclude.map((id) => ({ type: 'public-key', id })),
        authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
        attestation: 'none',
        timeout: options.timeout_ms,
      },
    });
  } catch (cause) {
    throw passkeyFailure(cause);
  }
  const credential = /** @type {PublicKeyCredential | null} */ (made);
  const response = /** @type {AuthenticatorAttestationResponse | undefined} */ (credential?.response);
  const spki = response?.getPublicKey?.() ?? null;
  if (!credential || !response || spki === null) {
    throw new Failure('passkey', 'no_public_key', {
      title: 'This browser does not tell the passkey’s public key',
      message: 'Without it this page cannot check that the enclave registered your passkey and not another.',
      advice: 'Use a current browser.',
    });
  }
  return {
    credential: {
      id: bytes(credential.rawId),
      attestation_object: bytes(response.attestationObject),
      client_data_json: bytes(response.clientDataJSON),
      transports: response.getTransports?.() ?? [],
    },
    spki: bytes(spki),
  };
}

/**
 * Answers a challenge with a passkey.
 *
 * @param {{ challenge: Bytes, rp_id: string, allow: Bytes[], timeout_ms: number }} options
 * @param {AbortSignal} [signal]
 * @returns {Promise<Assertion>}
 * @throws {Failure}
 */
export async function get(options, signal) {
  let answer;
  try {
    answer = await navigator.credentials.get({
      ...(signal ? { signal } : {}),
      publicKey: {
        challenge: options.challenge,
        rpId: options.rp_id,
        allowCredentials: options.allow.map((id) => ({ type: 'public-key', id })),
        userVerification: 'required',
        timeout: options.timeout_ms,
      },
    });
  } catch (cause) {
    throw passkeyFailure(cause);
  }
  const credential = /** @type {PublicKeyCredential | null} */ (answer);
  if (!credential) throw passkeyFailure(new DOMException('no credential', 'NotAllowedError'));
  const response = /** @type {AuthenticatorAssertionResponse} */ (credential.response);
  return {
    credential_id: bytes(credential.rawId),
    authenticator_data: bytes(response.authenticatorData),
    client_data_json: bytes(response.clientDataJSON),
    signature: bytes(response.signature),
    user_handle: response.userHandle?.byteLength ? bytes(response.userHandle) : null,
  };
}

/**
 * @param {ArrayBuffer} buffer
 * @returns {Bytes}
 */
function bytes(buffer) {
  return new Uint8Array(buffer);
}
