import ipaddr from "ipaddr.js";
import { z } from "zod";
import { setting } from "./setting.ts";
import { bytes, count, MIB, milliseconds } from "./value_types.ts";

const host = z
  .string()
  .regex(
    /^(\*|(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,15}|\[[0-9a-f:]{2,39}\])$/,
    'expected a host in lower case as "docs.example.com", "*.example.com" or "*"',
  );

const range = z.string().refine((text) => ipaddr.isValidCIDR(text), { error: 'expected a range as "10.1.0.0/16" or "fd00::/8"' });

/** Documents that callers name by URL; see `urlIngest`. */
export const URL_FETCH_SETTINGS = {
  urlFetch: {
    hosts: setting(
      z.array(host).max(1_000),
      [],
      "Hosts that documents may be fetched from, with commas: `docs.example.com`, `*.example.com` (what lies under it), `*` (every public host). Redirects lead nowhere else",
    ),
    ports: setting(z.array(z.int().min(1).max(65_535)).min(1).max(100), [80, 443], "Ports that may be asked"),
    privateRanges: setting(
      z.array(range).max(100),
      [],
      "Ranges of addresses that may be asked though they are not public, as `10.1.0.0/16`; all others that are private, local or reserved are refused whatever name leads there",
    ),
    maxUrls: setting(count(100), 16, "URLs in one request"),
    maxBytes: setting(bytes(), 8 * MIB, "Largest document, as it is sent and unpacked"),
    timeoutMs: setting(milliseconds(600_000), 20_000, "Time for one document, its redirects included"),
    maxRedirects: setting(z.int().min(0).max(10), 5, "Redirects that are followed, each checked like the first address"),
    maxInFlight: setting(count(64), 4, "Requests that fetch at once, each up to four documents side by side; others wait"),
    caFile: setting(z.string(), "", "Certificates (PEM) that the hosts' are signed by, in place of those that the system trusts"),
  },
};
