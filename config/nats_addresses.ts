import { resolve } from "node:path";
import type { Config } from "./schema.ts";

/** Where NATS is, and as whom a node comes. */
export interface NatsAddresses {
  /** `host:port`, IPv6 in brackets. */
  readonly servers: readonly string[];
  /** Empty: the addresses name none. */
  readonly user: string;
  readonly password: string;
  readonly isTls: boolean;
}

const DEFAULT_PORT = "4222";
const MAX_ADDRESSES = 16;

/**
 * Reads `nats://user:password@host:port,tls://host:port`; without a scheme it is `nats`, without a port 4222. TLS holds for
 * all of them, and so does the user. Null: one of them is no address, or they name two users. Without servers: there is none.
 */
export function parseNatsAddresses(text: string): NatsAddresses | null {
  if (text === "") return { servers: [], user: "", password: "", isTls: false };
  const parsed = text.split(",").map((part) => parseAddress(part.trim()));
  if (parsed.length > MAX_ADDRESSES || !parsed.every((address) => address !== null)) return null;
  const named = parsed.filter(({ user }) => user !== "");
  const [first] = named;
  if (named.some(({ user, password }) => user !== first?.user || password !== first.password)) return null;
  return {
    servers: parsed.map(({ server }) => server),
    user: first?.user ?? "",
    password: first?.password ?? "",
    isTls: parsed.some(({ isTls }) => isTls),
  };
}

function parseAddress(
  text: string,
): { readonly server: string; readonly user: string; readonly password: string; readonly isTls: boolean } | null {
  const [, scheme = "nats", rest = ""] = /^(?:([a-z]+):\/\/)?(.*)$/i.exec(text) ?? [];
  const url = URL.parse(`http://${rest}`); // whose rules are those of NATS' own clients
  if (!["nats", "tls"].includes(scheme.toLowerCase()) || url === null) return null;
  const { hostname, username, password, pathname, search, hash } = url;
  if (hostname === "" || pathname !== "/" || search !== "" || hash !== "") return null;
  // A URL leaves out its scheme's own port even where it was written.
  const port = /:(\d+)\/?$/.exec(rest)?.[1] ?? DEFAULT_PORT;
  try {
    const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
    return { server: `${hostname}:${port}`, user, password: secret, isTls: scheme.toLowerCase() === "tls" };
  } catch {
    return null; // a percent sign that stands for nothing
  }
}

/** Files with keys and certificates, which a connection reads. */
export function natsFiles({ nats }: Pick<Config, "nats">): readonly string[] {
  return [nats.nkeyFile, nats.credsFile, nats.caFile, nats.certFile, nats.keyFile, nats.calloutSeedFile].filter((path) => path !== "");
}

/** Paths as they hold from the folder that the node was started in. */
export function withAbsolutePaths(nats: Config["nats"], workingFolder: string): Config["nats"] {
  const absolute = (path: string) => (path === "" ? "" : resolve(workingFolder, path));
  return {
    ...nats,
    nkeyFile: absolute(nats.nkeyFile),
    credsFile: absolute(nats.credsFile),
    caFile: absolute(nats.caFile),
    certFile: absolute(nats.certFile),
    keyFile: absolute(nats.keyFile),
    calloutSeedFile: absolute(nats.calloutSeedFile),
  };
}

/** What no single setting can know. */
export function natsProblems({ nats }: Pick<Config, "nats">): readonly string[] {
  const inAddress = parseNatsAddresses(nats.url)?.user ?? "";
  const ways = [
    [inAddress !== "", "the user in nats.url"],
    [nats.user !== "", "nats.user"],
    [nats.nkeyFile !== "", "nats.nkeyFile"],
    [nats.credsFile !== "", "nats.credsFile"],
  ] as const;
  const given = ways.flatMap(([isGiven, name]) => (isGiven ? [name] : []));
  return [
    ...(given.length > 1 ? [`NATS is to know this node in ${given.length} ways: ${given.join(", ")}; choose one`] : []),
    ...(nats.password !== "" && nats.user === "" ? ["nats.password is set and nats.user is not"] : []),
    ...((nats.certFile === "") === (nats.keyFile === "") ? [] : ["nats.certFile and nats.keyFile belong together; one is missing"]),
    ...(nats.calloutSeedFile !== "" && nats.url === "" ? ["nats.calloutSeedFile is set and nats.url is not"] : []),
    ...(nats.calloutXkeySeed !== "" && nats.calloutSeedFile === ""
      ? ["nats.calloutXkeySeed is set and nats.calloutSeedFile is not: nothing is asked that could be sealed"]
      : []),
    ...(nats.reconnectMs > nats.maxReconnectMs ? ["nats.reconnectMs is longer than nats.maxReconnectMs"] : []),
  ];
}
