import type { Clock } from "../../runtime/clock.ts";
import type { ActorContext, ActorRef, Outcome, PendingAsk } from "./behavior.ts";
import type { Incarnation } from "./incarnation.ts";

/** What a behaviour sees of its incarnation. */
export class IncarnationContext<State, Message> implements ActorContext<Message> {
  /** For the kernel: whose context this is, when it comes back as the asker of an ask. */
  readonly owner: Incarnation<State, Message>;
  readonly self: ActorRef<Message>;

  constructor(owner: Incarnation<State, Message>, self: ActorRef<Message>) {
    this.owner = owner;
    this.self = self;
  }

  get path(): string {
    return this.self.path;
  }

  get incarnation(): number {
    return this.owner.number;
  }

  get clock(): Clock {
    return this.owner.clock;
  }

  get pendingAsk(): PendingAsk | null {
    return this.owner.currentAsk;
  }

  get stopping(): AbortSignal {
    return this.owner.stopping;
  }

  pipe<Value>(work: (signal: AbortSignal) => Promise<Value>, toMessage: (outcome: Outcome<Value>) => Message, ask?: PendingAsk): void {
    this.owner.pipe(work, toMessage, ask ?? null);
  }
}
