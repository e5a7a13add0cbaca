import type { Heartbeat, Incarnation } from "./heartbeat.ts";
import { DIGEST_WIRE_VERSION, isLater } from "./heartbeat.ts";

// Invariants:
//   F1. Nodes that share a NATS and not their stores must not answer the same clients, since each would say of the others'
//       collections that there are none. Those who answer go on; a newcomer answers where a node with its own stores does.
//   F2. Where both have begun, those yield whose earliest node is the later one. Both sides see the same, whoever hears first.

/** Incarnations that are known at a time. */
const MAX_KNOWN = 1_000;

interface Stranger {
  readonly beat: Heartbeat;
  readonly heardMs: number;
}

/** The nodes on this NATS that have other stores. */
export class Strangers {
  readonly #forgetAfterMs: number;
  readonly #known = new Map<string, Stranger>();

  constructor(forgetAfterMs: number) {
    this.#forgetAfterMs = forgetAfterMs;
  }

  /**
   * @param ageMs how old it is, as a digest says
   * @returns whether this incarnation was not known, and has not gone either
   */
  hear(beat: Heartbeat, nowMs: number, ageMs: number): boolean {
    const { id } = beat.incarnation;
    const known = this.#known.get(id);
    if (known === undefined && (this.#known.size >= MAX_KNOWN || ageMs >= this.#forgetAfterMs)) return false;
    if (known === undefined || beat.sequence > known.beat.sequence) this.#known.set(id, { beat, heardMs: nowMs - ageMs });
    return known === undefined;
  }

  /** Whether each of them hears digests: one that does not would take this node's cluster for gone. */
  get allHearDigests(): boolean {
    for (const { beat } of this.#known.values()) if (beat.wire < DIGEST_WIRE_VERSION) return false;
    return true;
  }

  /** When the earliest of those who answer clients began; null: none does. Forgets who has gone. */
  earliest(nowMs: number): Incarnation | null {
    const answering: Incarnation[] = [];
    for (const [id, { beat, heardMs }] of this.#known) {
      if (nowMs - heardMs >= this.#forgetAfterMs) this.#known.delete(id);
      else if (beat.answersClients && !beat.isLeaving) answering.push(beat.incarnation);
    }
    return earliestOf(answering);
  }
}

export function earliestOf(incarnations: Iterable<Incarnation>): Incarnation | null {
  let earliest: Incarnation | null = null;
  for (const one of incarnations) if (earliest === null || isLater(earliest, one)) earliest = one;
  return earliest;
}

/**
 * Whether a node is to answer clients from now on.
 * @param peers earliest of the other nodes with its stores that answer; null: none does
 * @param strangers earliest of the nodes with other stores that answer
 */
export function mayAnswer(isAnswering: boolean, self: Incarnation, peers: Incarnation | null, strangers: Incarnation | null): boolean {
  if (strangers === null) return true;
  const own = earliestOf([...(isAnswering ? [self] : []), ...(peers === null ? [] : [peers])]);
  return own !== null && !isLater(own, strangers);
}
