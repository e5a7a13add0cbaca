import type { Membership } from "../membership/membership.ts";
import type { Exceptions } from "./level.ts";
import { hashName, nearest } from "./rendezvous.ts";

/** Collections whose nodes are remembered; beyond it they are found anew, which costs a hash for each node. */
const MAX_KNOWN = 50_000;

/** Which nodes are to hold a collection, as one node sees it. Found when asked, remembered until the nodes change. */
export class Placement {
  readonly #membership: Membership;
  readonly #replicasOf: (collection: string) => number;
  readonly #known = new Map<string, readonly string[]>();
  #version = -1;
  #exceptions: Exceptions = new Map();

  constructor(membership: Membership, replicasOf: (collection: string) => number) {
    this.#membership = membership;
    this.#replicasOf = replicasOf;
  }

  get exceptions(): Exceptions {
    return this.#exceptions;
  }

  /** Takes over what the leader has found (see level.ts). */
  setExceptions(exceptions: Exceptions): void {
    this.#exceptions = exceptions;
    this.#known.clear();
  }

  /** Nearest first; empty while no node is known. */
  ownersOf(collection: string): readonly string[] {
    const { placementVersion } = this.#membership;
    if (placementVersion !== this.#version) {
      this.#version = placementVersion;
      this.#known.clear();
    }
    const known = this.#known.get(collection);
    if (known !== undefined) return known;
    const owners = this.#find(collection);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(collection, owners);
    return owners;
  }

  #find(collection: string): readonly string[] {
    const nodes = this.#membership.placeable();
    const replicas = this.#replicasOf(collection);
    const exception = this.#exceptions.get(collection);
    if (exception !== undefined && exception.length >= Math.min(replicas, nodes.length)) {
      const names = new Set(nodes.map(({ name }) => name));
      if (exception.every((name) => names.has(name))) return exception.slice(0, replicas);
    }
    return nearest(hashName(collection), nodes, replicas).map(({ name }) => name);
  }
}
