import type { RankTable } from "./rank_table.ts";

// Invariants:
//   P1. After levelling no node holds more than `maxRatio` of its even share, nor less than `minRatio` where collections
//       near to it can be had; shares are counted in places, by the nodes' weights.
//   P2. A collection is held by its nearest nodes unless an exception says otherwise; only exceptions have to be told to
//       others, and without them every node still finds the nearest.
//   P3. An exception stays while its nodes do and going back would put more than an even share there: levelling again
//       moves nothing.
//   P4. One levelling moves at most `maxMoves` places beside those that were lost with their node; what is left over is
//       for the next one. A bound that grows by one with an even share would otherwise move one place of many nodes at once.

export interface LevelOptions {
  readonly maxRatio: number;
  readonly minRatio: number;
  readonly maxMoves: number;
}

export const LEVEL_RATIOS: Pick<LevelOptions, "maxRatio" | "minRatio"> = { maxRatio: 1.15, minRatio: 0.85 };

/** Nodes of a collection that are not simply its nearest, by collection. */
export type Exceptions = ReadonlyMap<string, readonly string[]>;

interface Share {
  load: number;
  readonly even: number;
  readonly max: number;
  readonly min: number;
}

/** Collections between two pauses. */
const COLLECTIONS_A_STEP = 500;

/**
 * Rendezvous hashing with bounded loads. The bound is that of Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with
 * bounded loads", SODA 2018; here what is above it goes to the next nearest node with room, and what a node has too little
 * is taken from fuller ones, so that few collections are exceptions (0.6 % with a hundred a node). Pauses after each
 * bounded piece of work; the table must not change meanwhile.
 * @param replicasOf places of a collection, at least 1
 */
export function level(
  table: RankTable,
  replicasOf: (collection: string) => number,
  previous: Exceptions,
  options: LevelOptions,
): Generator<void, Map<string, readonly string[]>> {
  return new Levelling(table, replicasOf, options).run(previous);
}

/** The nearest nodes, or the exception where all of its nodes are among those that are near. */
export function ownersIn(table: RankTable, collection: string, replicas: number, exceptions: Exceptions): readonly string[] {
  const ranking = table.ranking(collection);
  const exception = exceptions.get(collection);
  if (exception !== undefined && isValid(exception, ranking, replicas)) return exception;
  return ranking.slice(0, replicas).map(({ name }) => name);
}

function isValid(exception: readonly string[], ranking: readonly { readonly name: string }[], replicas: number): boolean {
  return exception.length === Math.min(replicas, ranking.length) && exception.every((name) => ranking.some((node) => node.name === name));
}

class Levelling {
  readonly #table: RankTable;
  readonly #replicasOf: (collection: string) => number;
  readonly #options: LevelOptions;
  readonly #owners = new Map<string, readonly string[]>();
  readonly #shares = new Map<string, Share>();
  readonly #exceptions = new Map<string, readonly string[]>();

  #moves = 0;

  constructor(table: RankTable, replicasOf: (collection: string) => number, options: LevelOptions) {
    this.#table = table;
    this.#replicasOf = replicasOf;
    this.#options = options;
  }

  *run(previous: Exceptions): Generator<void, Map<string, readonly string[]>> {
    yield* this.#count(previous);
    let looked = 0;
    for (const collection of this.#exceptions.keys()) {
      this.#returnHome(collection);
      if (++looked % COLLECTIONS_A_STEP === 0) yield;
    }
    const full = this.#nodesThat((share) => share.load > share.max);
    const held = yield* this.#byNode(full, (name, owners) => owners.includes(name));
    for (const node of full) {
      this.#relieve(node, this.#share(node), held.get(node) ?? []);
      yield;
    }
    const poor = this.#nodesThat((share) => share.load < share.min);
    const near = yield* this.#byNode(poor, (name, owners) => !owners.includes(name));
    for (const node of poor) {
      this.#fill(node, this.#share(node), near.get(node) ?? []);
      yield;
    }
    return this.#exceptions;
  }

  *#count(previous: Exceptions): Generator<void> {
    const loads = new Map<string, number>();
    let places = 0;
    let looked = 0;
    for (const collection of this.#table.collections) {
      const owners = ownersIn(this.#table, collection, this.#replicasOf(collection), previous);
      this.#owners.set(collection, owners);
      if (previous.get(collection) === owners) this.#exceptions.set(collection, owners);
      places += owners.length;
      for (const name of owners) loads.set(name, (loads.get(name) ?? 0) + 1);
      if (++looked % COLLECTIONS_A_STEP === 0) yield;
    }
    const weights = this.#table.nodes.reduce((sum, { weight }) => sum + weight, 0);
    for (const { name, weight } of this.#table.nodes) {
      const even = (places * weight) / weights;
      this.#shares.set(name, {
        load: loads.get(name) ?? 0,
        even,
        max: Math.max(Math.ceil(even), Math.floor(even * this.#options.maxRatio)),
        min: Math.min(Math.floor(even), Math.ceil(even * this.#options.minRatio)),
      });
    }
  }

  #share(name: string): Share {
    return this.#shares.get(name) as Share;
  }

  #nodesThat(are: (share: Share) => boolean): ReadonlySet<string> {
    return new Set([...this.#shares].filter(([, share]) => are(share)).map(([name]) => name));
  }

  /** P3 */
  #returnHome(collection: string): void {
    const home = this.#nearest(collection).slice(0, this.#replicasOf(collection));
    const owners = this.#owners.get(collection) ?? [];
    const missed = home.filter((name) => !owners.includes(name));
    const strangers = owners.filter((name) => !home.includes(name));
    const isRoomy = missed.every((name) => this.#share(name).load + 1 <= this.#share(name).even);
    const isSpared = strangers.every((name) => this.#share(name).load - 1 >= this.#share(name).even);
    if (!isRoomy || !isSpared || this.#moves >= this.#options.maxMoves) return;
    this.#moves += missed.length;
    for (const name of strangers) this.#share(name).load -= 1;
    for (const name of missed) this.#share(name).load += 1;
    this.#owners.set(collection, home);
    this.#exceptions.delete(collection);
  }

  #nearest(collection: string): readonly string[] {
    return this.#table.ranking(collection).map(({ name }) => name);
  }

  /** Of each of the nodes the collections that it is near to and that it holds, or does not. */
  *#byNode(
    nodes: ReadonlySet<string>,
    isWanted: (node: string, owners: readonly string[]) => boolean,
  ): Generator<void, ReadonlyMap<string, readonly string[]>> {
    const byNode = new Map<string, string[]>([...nodes].map((name) => [name, []]));
    if (nodes.size === 0) return byNode;
    let looked = 0;
    for (const [collection, owners] of this.#owners) {
      for (const { name } of this.#table.ranking(collection)) {
        const list = byNode.get(name);
        if (list !== undefined && isWanted(name, owners)) list.push(collection);
      }
      if (++looked % COLLECTIONS_A_STEP === 0) yield;
    }
    return byNode;
  }

  /** Sends away what is above the bound, to the nearest that is below its even share, else to one below its bound. */
  #relieve(node: string, share: Share, held: readonly string[]): void {
    for (const limit of ["even", "max"] as const) {
      for (const collection of held) {
        if (share.load <= share.max || this.#moves >= this.#options.maxMoves) return; // P4
        const owners = this.#owners.get(collection) ?? [];
        if (!owners.includes(node)) continue;
        const target = this.#nearest(collection).find(
          (name) => !owners.includes(name) && this.#share(name).load + 1 <= this.#share(name)[limit],
        );
        if (target !== undefined) this.#move(collection, node, target);
      }
    }
  }

  /** Takes collections that are near to it from nodes above their even share. */
  #fill(node: string, share: Share, near: readonly string[]): void {
    for (const collection of near) {
      if (share.load >= share.min || this.#moves >= this.#options.maxMoves) return; // P4
      const owners = this.#owners.get(collection) ?? [];
      const source = owners.find((name) => this.#share(name).load - 1 >= this.#share(name).even);
      if (source !== undefined && !owners.includes(node)) this.#move(collection, source, node);
    }
  }

  #move(collection: string, from: string, to: string): void {
    this.#moves += 1;
    const owners = (this.#owners.get(collection) ?? []).map((name) => (name === from ? to : name));
    this.#owners.set(collection, owners);
    this.#exceptions.set(collection, owners);
    this.#share(from).load -= 1;
    this.#share(to).load += 1;
  }
}
