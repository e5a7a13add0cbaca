import type { Clock } from "../../runtime/clock.ts";
import type { KennelError } from "../../runtime/errors.ts";
import { Ask, type Envelope } from "./ask.ts";
import type { Lane } from "./behavior.ts";
import { RingQueue } from "./ring_queue.ts";

// Invariants:
//   M1. No lane holds more living messages than its capacity.
//   M2. A message leaves its lane once, in the order it came; an ask that is settled or overdue never reaches a handler.

interface LaneQueue {
  readonly queue: RingQueue<Envelope>;
  readonly capacity: number;
  /** Asks in `queue` that were settled while they waited; they take no room. */
  settled: number;
}

/** The two lanes of one actor. They outlive incarnations. */
export class Mailbox {
  readonly #lanes: Readonly<Record<Lane, LaneQueue>>;

  constructor(capacities: Readonly<Record<Lane, number>>) {
    const lane = (capacity: number): LaneQueue => ({ queue: new RingQueue(), capacity, settled: 0 });
    this.#lanes = { control: lane(capacities.control), work: lane(capacities.work) };
  }

  get depth(): number {
    return this.#living(this.#lanes.control) + this.#living(this.#lanes.work);
  }

  depthOf(lane: Lane): number {
    return this.#living(this.#lanes[lane]);
  }

  /** False when the lane is full. */
  push(lane: Lane, envelope: Envelope): boolean {
    const into = this.#lanes[lane];
    if (this.#living(into) >= into.capacity) return false; // M1
    if (into.settled > into.capacity) this.#sweep(into);
    into.queue.push(envelope);
    return true;
  }

  /** The next message that still matters; overdue asks are settled on the way. */
  shift(lane: Lane, clock: Clock): Envelope | null {
    const from = this.#lanes[lane];
    for (;;) {
      const envelope = from.queue.shift();
      if (envelope === undefined) return null;
      if (!(envelope instanceof Ask)) return envelope;
      if (envelope.isSettled) from.settled--;
      else if (envelope.deadlineMs > clock.monotonicMs()) return envelope;
      else {
        envelope.expire(); // M2
        from.settled--; // it was counted as settled in place, and is gone
      }
    }
  }

  /** To be told of an ask that was settled while it waited here. */
  noteSettled(lane: Lane): void {
    this.#lanes[lane].settled++;
  }

  /** When the longest waiting message came, on the monotonic clock; null when none waits. */
  oldestMs(): number | null {
    const firsts = [this.#first(this.#lanes.control), this.#first(this.#lanes.work)].filter((first) => first !== undefined);
    return firsts.length === 0 ? null : Math.min(...firsts.map((first) => first.enqueuedMs));
  }

  /** Empties both lanes: asks are settled with `error`, tells are dropped. Returns how many tells that were. */
  refuseAll(error: KennelError): number {
    return this.#refuse(this.#lanes.control, error) + this.#refuse(this.#lanes.work, error);
  }

  #refuse(lane: LaneQueue, error: KennelError): number {
    let tells = 0;
    for (let left = lane.queue.length; left > 0; left--) {
      const envelope = lane.queue.shift();
      if (!(envelope instanceof Ask)) tells++;
      else {
        envelope.end("stop", error);
        lane.settled--; // counted when it was settled, now or before
      }
    }
    return tells;
  }

  #living(lane: LaneQueue): number {
    return lane.queue.length - lane.settled;
  }

  #first(lane: LaneQueue): Envelope | undefined {
    for (let first = lane.queue.peek(); first instanceof Ask && first.isSettled; first = lane.queue.peek()) {
      lane.queue.shift();
      lane.settled--;
    }
    return lane.queue.peek();
  }

  #sweep(lane: LaneQueue): void {
    lane.queue.retain((envelope) => !(envelope instanceof Ask && envelope.isSettled));
    lane.settled = 0;
  }
}
