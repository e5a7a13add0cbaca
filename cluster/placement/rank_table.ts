import { hashName, isNearer, nearest, type PlacementNode, timeOf } from "./rendezvous.ts";

interface Row {
  readonly hash: number;
  /** Nearest first, `depth` of them, or all nodes where there are fewer. */
  ranking: readonly PlacementNode[];
}

/**
 * The nearest nodes of many collections, kept up while nodes come and go: a node that joins costs one hash a collection,
 * one that goes costs a ranking for each collection that it was near to.
 */
export class RankTable {
  readonly #depth: number;
  readonly #rows = new Map<string, Row>();
  #nodes: readonly PlacementNode[];

  /** @param depth nodes kept for each collection, at least 1 */
  constructor(depth: number, nodes: readonly PlacementNode[]) {
    this.#depth = depth;
    this.#nodes = nodes;
  }

  get nodes(): readonly PlacementNode[] {
    return this.#nodes;
  }

  get collections(): Iterable<string> {
    return this.#rows.keys();
  }

  add(collection: string): void {
    if (this.#rows.has(collection)) return;
    const hash = hashName(collection);
    this.#rows.set(collection, { hash, ranking: nearest(hash, this.#nodes, this.#depth) });
  }

  remove(collection: string): void {
    this.#rows.delete(collection);
  }

  ranking(collection: string): readonly PlacementNode[] {
    return this.#rows.get(collection)?.ranking ?? [];
  }

  addNode(node: PlacementNode): void {
    this.removeNode(node.name); // its weight may have changed
    this.#nodes = [...this.#nodes, node];
    for (const row of this.#rows.values()) {
      const time = timeOf(row.hash, node);
      let at = row.ranking.length;
      while (at > 0 && comesBefore(row.hash, time, node, row.ranking[at - 1])) at -= 1;
      if (at < this.#depth) row.ranking = [...row.ranking.slice(0, at), node, ...row.ranking.slice(at, this.#depth - 1)];
    }
  }

  removeNode(name: string): void {
    if (!this.#nodes.some((node) => node.name === name)) return;
    this.#nodes = this.#nodes.filter((node) => node.name !== name);
    for (const row of this.#rows.values()) {
      if (row.ranking.some((node) => node.name === name)) row.ranking = nearest(row.hash, this.#nodes, this.#depth);
    }
  }
}

function comesBefore(hash: number, time: number, node: PlacementNode, other: PlacementNode | undefined): boolean {
  return other !== undefined && isNearer(time, node, timeOf(hash, other), other);
}
