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
  return timeOfDraw(draw(collectionHash, node.hash), node.weight);
}

/** The `count` nearest nodes, nearest first; equal times by name. A hash for each node, and a logarithm for the few that may be among them. */
export function nearest(collectionHash: number, nodes: readonly PlacementNode[], count: number): PlacementNode[] {
  const found: PlacementNode[] = [];
  const times: number[] = [];
  let leastDraw = 0;
  let leastOfWeight = Number.NaN;
  for (const node of nodes) {
    const drawn = draw(collectionHash, node.hash);
    if (found.length >= count) {
      if (leastOfWeight !== node.weight) {
        leastOfWeight = node.weight;
        leastDraw = leastDrawBefore(times[count - 1] as number, node.weight);
      }
      if (drawn < leastDraw) continue;
    }
    const time = timeOfDraw(drawn, node.weight);
    let at = found.length;
    while (at > 0 && isNearer(time, node, times[at - 1] as number, found[at - 1] as PlacementNode)) at -= 1;
    if (at >= count) continue;
    found.splice(at, 0, node);
    times.splice(at, 0, time);
    if (found.length > count) {
      found.pop();
      times.pop();
    }
    leastOfWeight = Number.NaN; // the last one's time has changed
  }
  return found;
}

function draw(collectionHash: number, nodeHash: number): number {
  return mix(mix(collectionHash ^ nodeHash) + Math.imul(nodeHash, 0x9e3779b1));
}

const DRAWS = 4_294_967_296;

function timeOfDraw(drawn: number, weight: number): number {
  return -Math.log((drawn + 0.5) / DRAWS) / weight;
}

/** A lower draw comes after `time` for sure; the margin is for what logarithm and exponential round. */
function leastDrawBefore(time: number, weight: number): number {
  return Math.exp(-time * weight) * DRAWS - 2;
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
