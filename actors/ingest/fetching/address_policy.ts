import ipaddr from "ipaddr.js";

type Address = ReturnType<typeof ipaddr.parse>;
type Range = readonly [Address, number];

/** Addresses that global unicast is given out from, RFC 4291 and IANA: what lies outside embeds an IPv4 address or is no host's. */
const GLOBAL_UNICAST: Range = ipaddr.parseCIDR("2000::/3");

/**
 * Of public ranges, but no host of the Internet: Azure's platform answers there with a machine's settings and secrets
 * (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
 */
const PLATFORM: readonly string[] = ["168.63.129.16"];

/** Which addresses a node may connect to when a caller has named the host. */
export class AddressPolicy {
  readonly #allowed: readonly Range[];

  /** @param allowedRanges in CIDR notation: addresses that are not public, and may be asked all the same */
  constructor(allowedRanges: readonly string[]) {
    this.#allowed = allowedRanges.map((range) => ipaddr.parseCIDR(range));
  }

  /**
   * Whether `address`, in its usual notation, is one of the public Internet or of an allowed range. An IPv4 address inside
   * an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo) is never taken for public: whoever means it can write it plainly.
   */
  allows(address: string): boolean {
    if (!isAddress(address)) return false;
    const parsed = ipaddr.process(address); // ::ffff:a.b.c.d is what the kernel connects to as a.b.c.d
    if (this.#allowed.some((range) => parsed.kind() === range[0].kind() && parsed.match(range as [Address, number]))) return true;
    if (ipaddr.parse(address).kind() !== parsed.kind()) return false;
    if (parsed.range() !== "unicast" || PLATFORM.includes(parsed.toString())) return false;
    return parsed.kind() === "ipv4" || parsed.match(GLOBAL_UNICAST as [Address, number]);
  }
}

/** An address out of a URL's host, without an IPv6 address's brackets; null: it is a name. URLs have decimal, octal and short forms of IPv4 resolved. */
export function literalAddress(hostname: string): string | null {
  const bare = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return isAddress(bare) ? bare : null;
}

/** Four decimal numbers, or IPv6: short and octal forms mean different addresses to different readers. */
const isAddress = (text: string) => ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);
