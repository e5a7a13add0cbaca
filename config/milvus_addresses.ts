/** Where a Milvus is, and who asks. */
export interface MilvusServerAddress {
  /** `host:port` */
  readonly address: string;
  readonly isTls: boolean;
  /** Empty: none. */
  readonly username: string;
  readonly password: string;
}

const DEFAULT_PORT = "19530";
const MAX_ADDRESSES = 16;

/**
 * Reads `http://user:password@host:port,https://other:443`; without a scheme it is `http`, without a port 19530.
 * Null: one of them is no address. Empty: there are none.
 */
export function parseMilvusAddresses(text: string): readonly MilvusServerAddress[] | null {
  if (text === "") return [];
  const parsed = text.split(",").map((part) => parseAddress(part.trim()));
  return parsed.length <= MAX_ADDRESSES && parsed.every((address) => address !== null) ? parsed : null;
}

function parseAddress(text: string): MilvusServerAddress | null {
  const url = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url)) return null;
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(url);
  if ((protocol !== "http:" && protocol !== "https:") || hostname === "" || pathname !== "/" || search !== "" || hash !== "") return null;
  // A URL leaves out its scheme's own port even where it was written.
  const written = /:(\d+)\/?$/.exec(url)?.[1] ?? DEFAULT_PORT;
  try {
    const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
    return { address: `${hostname}:${written}`, isTls: protocol === "https:", username: user, password: secret };
  } catch {
    return null; // a percent sign that stands for nothing
  }
}
