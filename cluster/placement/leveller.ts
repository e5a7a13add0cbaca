import { type Exceptions, LEVEL_RATIOS, level } from "./level.ts";
import { RankTable } from "./rank_table.ts";
import type { PlacementNode } from "./rendezvous.ts";

/** How many more nodes than a collection has places are kept for it: whom it may go to when the nearest are full. */
const SPARE = 4;
/** Share of a node's places that one levelling moves at most, once there is something to move. */
const MOVED_SHARE = 0.1;

export interface Levelled {
  readonly collections: Iterable<string>;
  readonly nodes: readonly PlacementNode[];
  /** Places of a collection, at least 1. */
  readonly replicasOf: (collection: string) => number;
  readonly previous: Exceptions;
}

/** What the leader keeps to place collections evenly: the nearest nodes of each, changed by what has changed. */
export class Leveller {
  readonly #table = new RankTable();

  /**
   * Exceptions to "its nearest nodes", as few as keep all nodes within bounds (see level.ts). Pauses after each bounded
   * piece of work, a part of a millisecond, so that whoever runs it can let others have their turn; it is run to its end
   * before the next one is begun, or the leveller is let go of.
   */
  *steps({ collections, nodes, replicasOf, previous }: Levelled): Generator<void, Exceptions> {
    yield* this.#table.setNodes(nodes);
    yield* this.#table.setCollections(collections, (collection) => replicasOf(collection) + SPARE);
    if (nodes.length === 0) return new Map();
    const { size } = this.#table;
    const maxMoves = previous.size === 0 ? size : Math.ceil((size / nodes.length) * MOVED_SHARE);
    return yield* level(this.#table, replicasOf, previous, { ...LEVEL_RATIOS, maxMoves });
  }

  /** All steps at once. */
  level(levelled: Levelled): Exceptions {
    const steps = this.steps(levelled);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }
}
