// The ERC-4361 message, from the fields of a CACAO.

/** The payload of a CACAO; members that are absent have no line. */
export interface Payload {
  domain: string;
  /** `did:pkh:eip155:<chain>:<address>` */
  iss: string;
  /** The line `URI:`. */
  aud: string;
  version: number;
  nonce: string;
  iat: string;
  exp?: string;
  nbf?: string;
  statement?: string;
  request_id?: string;
  resources?: string[];
}

/** Chain and address of an account. */
export const account = (did: string): { chain: string; address: string } => {
  const [, , , chain = '', address = ''] = did.split(':');
  return { chain, address };
};

/** The text that the wallet signs. */
export const message = (payload: Payload): string => {
  const { chain, address } = account(payload.iss);
  const lines = [`${payload.domain} wants you to sign in with your Ethereum account:`, address, ''];
  if (payload.statement !== undefined) lines.push(payload.statement);
  lines.push('', `URI: ${payload.aud}`, `Version: ${payload.version}`, `Chain ID: ${chain}`, `Nonce: ${payload.nonce}`, `Issued At: ${payload.iat}`);
  if (payload.exp !== undefined) lines.push(`Expiration Time: ${payload.exp}`);
  if (payload.nbf !== undefined) lines.push(`Not Before: ${payload.nbf}`);
  if (payload.request_id !== undefined) lines.push(`Request ID: ${payload.request_id}`);
  if (payload.resources !== undefined) lines.push('Resources:', ...payload.resources.map((resource) => `- ${resource}`));
  return lines.join('\n');
};
