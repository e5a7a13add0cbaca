import {
  changedWord,
  compareWord,
  encodeWord,
  NOTHING_SAID,
  newerWord,
  type OperatorWord,
  parseWord,
} from "../../cluster/configuration/operator_word.ts";
import { type Random, seededRandom } from "../../runtime/random.ts";
import type { Invariants } from "./invariants.ts";
import type { Network } from "./network.ts";
import type { Process, World } from "./world.ts";

/** The pauses and attempts of node/cluster/shared_configuration.ts. */
const RESCAN_MS = 30_000;
const MAX_ATTEMPTS = 5;
const ATTEMPT_PAUSE_MS = 50;
const FLAGS = ["hedging", "rerank", "routing", "shedding"];

interface Holder {
  readonly name: string;
  readonly process: Process;
}

interface Stored {
  readonly text: string | null;
  readonly revision: number;
}

export interface WordCounts {
  said: number;
  overtaken: number;
  restored: number;
}

/**
 * What operators say, on the nodes of a history: a key with revisions that all follow and that is changed by compare-and-set,
 * where words come late or not at all, a write may be done though it seems to have failed, and the store is away, emptied or
 * set back to what stood there before. What nodes make of it is decided by cluster/configuration/operator_word.ts.
 */
export class Words {
  readonly #world: World;
  readonly #network: Network;
  readonly #invariants: Invariants;
  /** Of its own, so that what operators say changes nothing else of a history. */
  readonly #random: Random;
  readonly #losesStore: boolean;
  /** By the node's name: it lies in its data folder, and is there again after a restart. */
  readonly #held = new Map<string, OperatorWord>();
  readonly #followers = new Map<string, Holder>();
  #stored: Stored = { text: null, revision: 0 };
  #former: string | null = null;
  #number = 0;
  readonly counts: WordCounts = { said: 0, overtaken: 0, restored: 0 };

  constructor(world: World, network: Network, invariants: Invariants, seed: number) {
    this.#world = world;
    this.#network = network;
    this.#invariants = invariants;
    this.#random = seededRandom(seed ^ 0x5f3759df);
    this.#losesStore = seed % 2 === 1;
  }

  /** A node has started, perhaps again. */
  follow(name: string, process: Process): void {
    const holder = { name, process };
    this.#followers.set(name, holder);
    process.at(this.#delayMs(), () => this.#rescan(holder));
  }

  /** Operators say something until `untilMs`, and in every other history the store is lost now and then. */
  begin(untilMs: number): void {
    const again = (meanMs: number, what: () => void) => {
      const afterMs = 200 + this.#exponential(meanMs);
      if (this.#world.nowMs + afterMs < untilMs)
        this.#world.at(afterMs, () => {
          what();
          again(meanMs, what);
        });
    };
    again(2_000, () => {
      // Often several at once, who do not know of each other.
      for (let operators = 1 + Math.floor(this.#random.next() * 3); operators > 0; operators--) this.#say();
    });
    if (this.#losesStore) again(15_000, () => this.#loseStore());
  }

  /** Once all is mended all hold the same, and it stands in the store. */
  checkRest(living: readonly string[]): void {
    const there = this.#read();
    for (const name of living) {
      const { epoch, node } = this.#heldBy(name);
      if (epoch !== there.epoch || node !== there.node)
        this.#invariants.violated(`at rest ${name} holds the word of epoch ${epoch}, not ${there.epoch}`);
    }
  }

  #say(): void {
    const holders = [...this.#followers.values()].filter(({ process }) => process.isRunning);
    const holder = holders[Math.floor(this.#random.next() * holders.length)];
    const flag = FLAGS[Math.floor(this.#random.next() * FLAGS.length)] as string;
    if (holder === undefined) return;
    const number = ++this.#number;
    this.#attempt(holder, flag, String(number), 0);
  }

  #attempt(holder: Holder, flag: string, reason: string, attempt: number): void {
    const { name, process } = holder;
    if (attempt >= MAX_ATTEMPTS) return;
    const change = (word: OperatorWord): OperatorWord => {
      const said = { enabled: this.#random.next() < 0.5, reason, atMs: 0, node: name };
      return { ...word, flags: new Map([...word.flags, [flag, said]]) };
    };
    this.#ask(holder, () => {
      const { text, revision } = this.#stored;
      return () => {
        const there = (text === null ? null : parseWord(text)) ?? NOTHING_SAID;
        const word = changedWord(this.#heldBy(name), there, change, { node: name, wallMs: process.clock.wallMs() });
        this.#write(holder, word, text === null ? 0 : revision, flag, (isWritten) => {
          if (isWritten) this.#take(name, word);
          else {
            this.counts.overtaken += 1;
            process.at(ATTEMPT_PAUSE_MS * (attempt + 1), () => this.#attempt(holder, flag, reason, attempt + 1));
          }
        });
      };
    });
  }

  #rescan(holder: Holder): void {
    this.#compare(holder);
    holder.process.at(RESCAN_MS, () => this.#rescan(holder));
  }

  #compare(holder: Holder): void {
    this.#ask(holder, () => {
      const { text, revision } = this.#stored;
      return () => {
        const own = this.#heldBy(holder.name);
        const there = (text === null ? null : parseWord(text)) ?? NOTHING_SAID;
        if (compareWord(own, there) === "hear") return this.#take(holder.name, there);
        this.counts.restored += 1;
        this.#write(holder, own, text === null ? 0 : revision, null, () => undefined);
      };
    });
  }

  /** O1: a node that holds one word takes no older one. */
  #take(name: string, told: OperatorWord): void {
    const before = this.#heldBy(name);
    const word = newerWord(before, told);
    if (word.epoch < before.epoch) this.#invariants.violated(`${name} went back from the word of epoch ${before.epoch} to ${word.epoch}`);
    this.#held.set(name, word);
  }

  #write(holder: Holder, word: OperatorWord, expected: number, flag: string | null, settle: (isWritten: boolean) => void): void {
    this.#ask(holder, () => {
      const { text, revision } = this.#stored;
      if ((text === null ? 0 : revision) !== expected) return () => settle(false);
      this.#checkWrite(word, flag);
      this.#store(encodeWord(word));
      const isKnown = this.#random.next() >= 0.02; // else it seems to have failed, and the operator is told so
      return () => isKnown && settle(true);
    });
  }

  /** A change is made to what stands there and keeps all else of it, unless the store was lost meanwhile. */
  #checkWrite(word: OperatorWord, flag: string | null): void {
    if (flag !== null) this.counts.said += 1;
    const before = this.#read();
    if (word.epoch <= before.epoch) this.#invariants.violated(`the word of epoch ${word.epoch} was written over that of ${before.epoch}`);
    if (this.#losesStore) return;
    for (const [name, { reason }] of before.flags)
      if (name !== flag && word.flags.get(name)?.reason !== reason)
        this.#invariants.violated(`change ${reason} of ${name} was lost by one of ${flag}`);
  }

  #store(text: string | null): void {
    this.#former = this.#stored.text ?? this.#former;
    const stored = { text, revision: this.#stored.revision + 1 };
    this.#stored = stored;
    for (const holder of this.#followers.values()) {
      if (this.#network.groupOf(holder.name) !== 0 || this.#random.next() < 0.01) continue; // the next look makes up for it
      holder.process.at(this.#delayMs(), () => this.#hear(holder, stored));
    }
  }

  #hear(holder: Holder, { text }: Stored): void {
    const told = (text === null ? null : parseWord(text)) ?? NOTHING_SAID;
    const own = this.#heldBy(holder.name);
    this.#take(holder.name, told);
    if (newerWord(own, told) === own && told.epoch !== own.epoch) this.#compare(holder);
  }

  #loseStore(): void {
    this.#store(this.#random.next() < 0.5 ? null : this.#former);
  }

  /** A call of the store: `call` is done there, what it returns at the node. */
  #ask({ name, process }: Holder, call: () => () => unknown): void {
    if (this.#network.groupOf(name) !== 0 || this.#network.lease.isAway) return;
    this.#world.at(this.#delayMs(), () => {
      if (this.#network.lease.isAway) return;
      const answer = call();
      process.at(this.#delayMs(), () => void answer());
    });
  }

  #read(): OperatorWord {
    const { text } = this.#stored;
    return (text === null ? null : parseWord(text)) ?? NOTHING_SAID;
  }

  #heldBy(name: string): OperatorWord {
    return this.#held.get(name) ?? NOTHING_SAID;
  }

  #delayMs(): number {
    return 0.1 + this.#exponential(2);
  }

  #exponential(meanMs: number): number {
    return Math.min(10 * meanMs, -Math.log(1 - this.#random.next()) * meanMs);
  }
}
