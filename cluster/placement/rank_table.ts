import { hashName, isNearer, nearest, type PlacementNode, timeOf } from "./rendezvous.ts";

interface Row {
  readonly hash: number;
  /** How many nodes are kept. */
  depth: number;
  /** Nearest first, `depth` of them, or all nodes where there are fewer. */
  ranking: readonly PlacementNode[];
}

/** Hashes between two pauses: about a tenth of a millisecond. */
const HASHES_A_STEP = 10_000;
/** Rows that are only looked at between two pauses. */
const ROWS_A_STEP = 500;

/**
 * The nearest nodes of many collections, kept up while nodes come and go: a node that joins costs one hash a collection,
 * one that goes costs a ranking for each collection that it was near to. What takes long goes by steps: each generator
 * pauses after a bounded piece of work, and has to be run to its end before another one is begun.
 */
export class RankTable {
  readonly #rows = new Map<string, Row>();
  #nodes: readonly PlacementNode[] = [];

  get nodes(): readonly PlacementNode[] {
    return this.#nodes;
  }

  get collections(): Iterable<string> {
    return this.#rows.keys();
  }

  get size(): number {
    return this.#rows.size;
  }

  ranking(collection: string): readonly PlacementNode[] {
    return this.#rows.get(collection)?.ranking ?? [];
  }

  /** Holds these collections and no others, each with `depthOf` nodes, at least 1. */
  *setCollections(collections: Iterable<string>, depthOf: (collection: string) => number): Generator<void> {
    const wanted = new Set<string>();
    let work = 0;
    for (const name of collections) {
      wanted.add(name);
      work += this.#set(name, depthOf(name)) ? this.#nodes.length : HASHES_A_STEP / ROWS_A_STEP;
      if (work < HASHES_A_STEP) continue;
      work = 0;
      yield;
    }
    let looked = 0;
    for (const name of this.#rows.keys()) {
      if (!wanted.has(name)) this.#rows.delete(name);
      if (++looked % ROWS_A_STEP === 0) yield;
    }
  }

  /** Ranks these nodes and no others. */
  *setNodes(nodes: readonly PlacementNode[]): Generator<void> {
    const before = new Map(this.#nodes.map((node) => [node.name, node]));
    const now = new Map(nodes.map((node) => [node.name, node]));
    const isKept = (node: PlacementNode) => now.get(node.name)?.weight === node.weight;
    const gone = new Set(this.#nodes.filter((node) => !isKept(node)).map(({ name }) => name));
    const come = nodes.filter(({ name, weight }) => before.get(name)?.weight !== weight);
    if (gone.size === 0 && come.length === 0) return;
    this.#nodes = [...nodes];
    let work = 0;
    for (const row of this.#rows.values()) {
      work += HASHES_A_STEP / ROWS_A_STEP + come.length;
      if (gone.size > 0 && row.ranking.some(({ name }) => gone.has(name))) {
        row.ranking = nearest(row.hash, this.#nodes, row.depth);
        work += this.#nodes.length;
      } else for (const node of come) insert(row, node);
      if (work < HASHES_A_STEP) continue;
      work = 0;
      yield;
    }
  }

  /** @returns whether it had to be ranked */
  #set(name: string, depth: number): boolean {
    const row = this.#rows.get(name);
    if (row?.depth === depth) return false;
    const hash = row?.hash ?? hashName(name);
    this.#rows.set(name, { hash, depth, ranking: nearest(hash, this.#nodes, depth) });
    return true;
  }
}

function insert(row: Row, node: PlacementNode): void {
  const { hash, depth, ranking } = row;
  const time = timeOf(hash, node);
  let at = ranking.length;
  while (at > 0 && comesBefore(hash, time, node, ranking[at - 1])) at -= 1;
  if (at < depth) row.ranking = [...ranking.slice(0, at), node, ...ranking.slice(at, depth - 1)];
}

function comesBefore(hash: number, time: number, node: PlacementNode, other: PlacementNode | undefined): boolean {
  return other !== undefined && isNearer(time, node, timeOf(hash, other), other);
}
