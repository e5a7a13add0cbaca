import type { Clock } from "../../runtime/clock.ts";
import type { ClusterEvent, ClusterNetwork } from "../ports.ts";
import { type LeaseEvent, type LeaseLimits, type LeaseOutcome, type LeaseState, leadsIn, noLease, stepLease } from "./lease.ts";

export interface LeadershipParts {
  readonly self: string;
  readonly clock: Clock;
  readonly network: Pick<ClusterNetwork<never, never>, "readLease" | "writeLease">;
  readonly limits: LeaseLimits;
  /** How long a node listens before it wants the lease. */
  readonly listenMs: number;
  readonly incarnation: () => string;
  readonly mayLead: () => boolean;
  readonly onEvent: (event: ClusterEvent) => void;
}

/** One node's part in who leads: it steps the lease, does what that asks for, and says when it begins and ceases to lead. */
export class Leadership {
  readonly #parts: LeadershipParts;
  #lease: LeaseState;
  #epoch = 0;
  #wasLeading: number | null = null;

  constructor(parts: LeadershipParts) {
    this.#parts = parts;
    this.#lease = noLease(parts.clock.monotonicMs() + parts.listenMs);
  }

  /** The highest that was heard of. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The epoch in which it leads; null: it does not. */
  get leadsIn(): number | null {
    return leadsIn(this.#lease, this.#parts.clock.monotonicMs());
  }

  hear(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  /** As a new incarnation, which has no lease. */
  beginAnew(): void {
    this.#lease = noLease(this.#parts.clock.monotonicMs() + this.#parts.listenMs);
  }

  step(event: LeaseEvent): void {
    const { self, clock, network, limits, incarnation, mayLead, onEvent } = this.#parts;
    const [state, effects] = stepLease(this.#lease, event, {
      self,
      incarnation: incarnation(),
      nowMs: clock.monotonicMs(),
      wallMs: clock.wallMs(),
      limits,
      knownEpoch: this.#epoch,
      mayLead: mayLead(),
    });
    this.#lease = state;
    const epoch = this.leadsIn;
    if (epoch !== null) this.hear(epoch);
    if (epoch !== this.#wasLeading) {
      const was = this.#wasLeading;
      this.#wasLeading = epoch;
      onEvent(epoch === null ? { kind: "follows", node: self, epoch: was ?? 0 } : { kind: "leads", node: self, epoch });
    }
    for (const effect of effects) {
      const settle = (outcome: LeaseOutcome) => this.step({ kind: "outcome", id: effect.id, outcome });
      if (effect.kind === "read") network.readLease(settle);
      else network.writeLease(effect.record, effect.expected, settle);
    }
  }
}
