// The messages that pass between this page and an enclave, as the crate `openkey-protocol` defines
// them. Types only: the bytes are deterministic CBOR (cbor.js), byte strings are Uint8Array.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * @template T
 * @typedef {{ body: Bytes, signature: Bytes, kind?: T }} Signed a statement of the enclave; `kind` never exists
 */

/** @typedef {{ account: Bytes, version: number, hash: Bytes, entry: Bytes }} AccountHead */
/** @typedef {{ head: AccountHead, shown_at: number }} KnownHead the newest head seen, and when an answer showed it last */
/** @typedef {{ nonce: Bytes, request: Request }} Call a request as it is sent, with fresh random bytes */
/** @typedef {{ challenge: Bytes, rp_id: string, rp_name: string, user_id: Bytes, user_name: string, algorithms: number[], exclude: Bytes[], timeout_ms: number }} CreationOptions */
/** @typedef {{ challenge: Bytes, rp_id: string, allow: Bytes[], timeout_ms: number }} RequestOptions */
/** @typedef {{ id: Bytes, attestation_object: Bytes, client_data_json: Bytes, transports: string[] }} NewCredential */
/** @typedef {{ credential_id: Bytes, authenticator_data: Bytes, client_data_json: Bytes, signature: Bytes, user_handle: Bytes | null }} Assertion */

/** @typedef {{ text: string } | { siwe: string } | { session: string } | { typed_data: string }} Payload */

/**
 * @typedef {{ confirm: { receipt: Bytes } }
 *   | { sign: { key: number, payload: Payload } }
 *   | { add_passkey: { name: string } }
 *   | { rename_passkey: { passkey: Bytes, name: string } }
 *   | { remove_passkey: { passkey: Bytes } }
 *   | { create_key: { label: string } }
 *   | { label_key: { key: number, label: string } }
 *   | { archive_key: { key: number } }
 *   | { restore_key: { key: number } }} Action
 */

/** @typedef {'sign_in' | 'confirm' | 'sign_text' | 'sign_siwe' | 'sign_typed_data' | 'add_passkey' | 'rename_passkey' | 'remove_passkey' | 'create_key' | 'label_key' | 'archive_key' | 'restore_key'} PromptKind */

/** @typedef {'account' | { history: { before: number | null, limit: number } }} Query */

/**
 * @typedef {'status'
 *   | { evidence: { nonce: Bytes } }
 *   | { sign_up: { origin: string, name: string } }
 *   | { sign_up_finish: { context: Bytes, credential: NewCredential } }
 *   | { sign_in: { origin: string } }
 *   | { propose: { account: Bytes, user_handle: Bytes, token: Bytes | null, origin: string, head: KnownHead | null, action: Action } }
 *   | { passkey_created: { context: Bytes, credential: NewCredential } }
 *   | { approve: { context: Bytes, assertion: Assertion, possession: Assertion | null, head: KnownHead | null, confirmed: Bytes | null } }
 *   | { read: { token: Bytes, head: KnownHead | null, query: Query } }} Request
 */

/** @typedef {{ options: RequestOptions, context: Bytes }} Prompted */
/** @typedef {{ options: CreationOptions, context: Bytes, expires_at: number }} CreationStarted */
/** @typedef {{ receipt: Signed<'receipt'>, head: AccountHead }} SignedUp */
/** @typedef {{ key: number, address: Bytes, label: string, created_at: number, archived_at: number | null }} KeyView */
/** @typedef {{ id: Bytes, name: string, public_key_sha256: Bytes, created_at: number, used_at: number | null }} PasskeyView */
/** @typedef {{ account: Bytes, name: string, created_at: number, confirmed: boolean, passkeys: PasskeyView[], keys: KeyView[], history: number, head: AccountHead }} AccountView */
/** @typedef {{ sequence: number, previous: Bytes, record: Bytes, at: number, kind: PromptKind, title: string, told: Excerpt, origin: string, passkey: ApprovedBy, digest: Bytes, key: ConcernedKey | null, signature: Bytes | null }} HistoryEntry */
/** @typedef {{ id: Bytes, name: string, public_key_sha256: Bytes }} ApprovedBy a passkey as it was then */
/** @typedef {{ key: number, address: Bytes, label: string }} ConcernedKey a key as it was before the decision */
/** @typedef {{ lines: { label: string, value: string }[], left_out: number, text: string | null }} Excerpt the beginning of what the prompt said */
/** @typedef {{ head: AccountHead, entries: HistoryEntry[], next: number | null }} HistoryPage */

/**
 * @typedef {{ signed_in: { token: Bytes, expires_at: number } }
 *   | { signature: { signature: Bytes, digest: Bytes, address: Bytes } }
 *   | 'changed'
 *   | { key_created: KeyView }} Outcome
 */

/** @typedef {{ head: AccountHead, outcome: Outcome }} Approved */

/** @typedef {{ root?: { state: unknown } }} Status the page reads nothing else of it but what the verifier holds to evidence; `state` is `handed_over` once the root key went to a successor */

/**
 * @typedef {{ status: Status }
 *   | { sign_up_started: CreationStarted }
 *   | { signed_up: SignedUp }
 *   | { prompted: Prompted }
 *   | { new_passkey: CreationStarted }
 *   | { approved: Approved }
 *   | { account: AccountView }
 *   | { history: HistoryPage }} Response
 */

/** @typedef {{ code: string, message: string, advice: string }} EnclaveError */

/** @typedef {{ answer: Signed<'answer'> } | { bare: { evidence: { document: Bytes } } | { refused: EnclaveError } }} Reply */

/** @typedef {'evidence' | 'sign-up' | 'request'} Class what the host may know of a request, for its limits */

/** @typedef {{ version: 1, measurements: Record<string, string>[], [member: string]: unknown }} Policy a policy file */

/** @typedef {{ version: number, origin: string, enclave: string, policy: Policy | null, node: string | null, notNode?: string }} Config what the host serves as /config.json; `notNode`: what it names in the place of a node’s address, on one bounded line */

export {};
