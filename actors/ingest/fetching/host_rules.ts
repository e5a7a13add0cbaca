import { FetchRefusal } from "./fetch_refusal.ts";

export interface HostRules {
  /** `docs.example.com`, `*.example.com` (what lies under it), `*` (every host). */
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

/** A URL whose scheme, credentials, host and port may be asked. Throws FetchRefusal. */
export function checkUrl(url: URL, rules: HostRules): void {
  if (DEFAULT_PORTS[url.protocol] === undefined) throw new FetchRefusal("url", "is no address of the web; allowed: http:// and https://");
  if (url.username !== "" || url.password !== "") throw new FetchRefusal("url", "holds a user or password; allowed: an address without");
  if (!rules.hosts.some((pattern) => matchesHost(pattern, hostOf(url))))
    throw new FetchRefusal("host", "names a host that is not allowed here; KENNEL_URL_FETCH_HOSTS lists those that are");
  if (!rules.ports.includes(portOf(url)))
    throw new FetchRefusal("port", `names a port that is not allowed; allowed: ${rules.ports.join(", ")}`);
}

/** Of a URL whose scheme was checked. */
export function portOf(url: URL): number {
  return url.port === "" ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
}

/** The host as patterns are compared with it: a name's root dot says nothing. */
export function hostOf({ hostname }: URL): string {
  return hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
}

function matchesHost(pattern: string, host: string): boolean {
  if (pattern === "*") return true;
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1 : host === pattern;
}
