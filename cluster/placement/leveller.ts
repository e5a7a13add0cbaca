import { type Exceptions, LEVEL_RATIOS, level } from "./level.ts";
import { RankTable } from "./rank_table.ts";
import type { PlacementNode } from "./rendezvous.ts";

/** How many more nodes than a collection has places are kept for it: whom it may go to when the nearest are full. */
const SPARE = 4;
/** Share of a node's places that one levelling moves at most, once there is something to move. */
const MOVED_SHARE = 0.1;

/** What the leader keeps to place collections evenly: the nearest nodes of each, changed by what has changed. */
export class Leveller {
  readonly #table: RankTable;

  /** @param maxReplicas most places that a collection may have */
  constructor(maxReplicas: number) {
    this.#table = new RankTable(maxReplicas + SPARE, []);
  }

  /** @returns exceptions to "its nearest nodes", as few as keep all nodes within bounds (see level.ts) */
  level(
    collections: ReadonlySet<string>,
    nodes: readonly PlacementNode[],
    replicasOf: (collection: string) => number,
    previous: Exceptions,
  ): Exceptions {
    this.#follow(nodes);
    for (const collection of [...this.#table.collections]) if (!collections.has(collection)) this.#table.remove(collection);
    for (const collection of collections) this.#table.add(collection);
    if (nodes.length === 0) return new Map();
    const isFirst = previous.size === 0;
    const maxMoves = isFirst ? collections.size : Math.ceil((collections.size / nodes.length) * MOVED_SHARE);
    return level(this.#table, replicasOf, previous, { ...LEVEL_RATIOS, maxMoves });
  }

  #follow(nodes: readonly PlacementNode[]): void {
    const now = new Map(nodes.map((node) => [node.name, node]));
    for (const { name, weight } of this.#table.nodes) if (now.get(name)?.weight !== weight) this.#table.removeNode(name);
    const known = new Set(this.#table.nodes.map(({ name }) => name));
    for (const node of nodes) if (!known.has(node.name)) this.#table.addNode(node);
  }
}
