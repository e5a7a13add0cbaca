/** What must be known of a MongoDB address before it is given to the driver. */
export interface MongoAddress {
  /** `host:port`, IPv6 in brackets. */
  readonly hosts: readonly string[];
  /** Certificates and keys that its options name. */
  readonly files: readonly string[];
}

const DEFAULT_PORT = 27_017;
const FILE_OPTIONS = ["tlscafile", "tlscertificatekeyfile", "tlscrlfile"];

/**
 * Reads `mongodb://user:password@host:port,host:port/database?options`. Null: it is none. An address of `mongodb+srv:` is
 * none either: its hosts are known only to the name service, and a node is permitted the hosts it is given.
 */
export function parseMongoAddress(url: string): MongoAddress | null {
  const match = /^mongodb:\/\/(?:[^@/?#]*@)?([^@/?#]+)(?:\/([^/?#]*))?(?:\?([^#]*))?$/.exec(url);
  const hosts = (match?.[1] ?? "").split(",").map(withPort);
  if (match === null || hosts.some((host) => host === null)) return null;
  const options = [...new URLSearchParams(match[3] ?? "")];
  const files = options.filter(([name]) => FILE_OPTIONS.includes(name.toLowerCase())).map(([, path]) => path);
  return { hosts: hosts as string[], files };
}

function withPort(host: string): string | null {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(host);
  const port = Number(match?.[2] ?? DEFAULT_PORT);
  return match === null || port < 1 || port > 65_535 ? null : `${match[1]}:${port}`;
}
