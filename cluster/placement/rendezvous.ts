/**
 * Weighted rendezvous hashing: every node draws an exponential time whose rate is its weight, from a hash of its name and
 * the collection's; the earliest hold the collection. Who sees the same nodes finds the same, and a node that comes or
 * goes moves only what it holds.
 *
 * Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on Networking 1998;
 * weights by the logarithmic method of Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005.
 */

export interface PlacementNode {
  readonly name: string;
  /** > 0 */
  readonly weight: number;
  /** `hashName(name)`. */
  readonly hash: number;
}

export function placementNode(name: string, weight: number): PlacementNode {
  return { name, weight, hash: hashName(name) };
}

/** 32 bits of FNV-1a (Fowler, Noll and Vo), finished by MurmurHash3's mixer (Appleby, public domain). */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** The node's time for the collection: lower is nearer. */
export function timeOf(collectionHash: number, node: PlacementNode): number {
  const hash = mix(mix(collectionHash ^ node.hash) + Math.imul(node.hash, 0x9e3779b1));
  return -Math.log((hash + 0.5) / 4_294_967_296) / node.weight;
}

/** The `count` nearest nodes, nearest first; equal times by name. O(nodes · count). */
export function nearest(collectionHash: number, nodes: readonly PlacementNode[], count: number): PlacementNode[] {
  const found: { readonly node: PlacementNode; readonly time: number }[] = [];
  for (const node of nodes) {
    const time = timeOf(collectionHash, node);
    const last = found.at(-1);
    if (found.length >= count && last !== undefined && !isNearer(time, node, last.time, last.node)) continue;
    let at = found.length;
    while (at > 0 && isNearer(time, node, found[at - 1]?.time ?? 0, (found[at - 1] as { node: PlacementNode }).node)) at -= 1;
    found.splice(at, 0, { node, time });
    if (found.length > count) found.pop();
  }
  return found.map(({ node }) => node);
}

export function isNearer(time: number, node: PlacementNode, otherTime: number, other: PlacementNode): boolean {
  return time === otherTime ? node.name < other.name : time < otherTime;
}

function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
