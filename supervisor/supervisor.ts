import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import type { Logger } from "../telemetry/logs.ts";
import { NO_TRACER, type Tracer } from "../telemetry/tracing.ts";
import type { Child, ChildSpec, StatusNode } from "./child.ts";
import { EventLog, type SupervisionEvents } from "./event_log.ts";
import { createKernel, type Kernel } from "./kernel/kernel.ts";
import { SupervisedChild } from "./supervised_child.ts";

export interface SupervisorOptions {
  /** The node's name: the root of every path. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Sees what is asked of children. @default nothing is traced */
  readonly tracer?: Tracer;
  /** Hears of a child of which something outlived its stop limit: what runs there can only be ended with the process. */
  readonly onEscalation?: (path: string) => void;
}

interface SubtreeOptions {
  /**
   * How its children are stopped: `in_reverse`, one after the other, when the later ones use the earlier; `together`
   * when they know nothing of each other. @default "in_reverse"
   */
  readonly shutdown?: "in_reverse" | "together";
}

interface StopOptions {
  readonly reason: string;
  /** Time for the whole tree; children that are not done by then are let go. */
  readonly limitMs: number;
}

/** Starts children, restarts them when they fail, and stops them in order. */
export interface Supervisor {
  readonly path: string;
  /** The events of the whole tree: a subtree shares its root's. */
  readonly events: SupervisionEvents;
  readonly clock: Clock;
  /** Throws a `TypeError` when the name is taken (also by a child that is still draining) or not a name, or it is stopping. */
  spawn<State, Message>(spec: ChildSpec<State, Message>): SupervisedChild<State, Message>;
  spawnSupervisor(name: string, options?: SubtreeOptions): Supervisor;
  /** The children of this supervisor alone. */
  children(): Iterable<Child<never> | Supervisor>;
  status(): StatusNode;
  /** Idempotent: the first call's options hold. */
  stop(options: StopOptions): Promise<void>;
}

/** What the nodes of one tree share. */
interface Tree {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly events: EventLog;
  readonly onEscalated: (path: string) => void;
}

interface Member {
  status(): StatusNode;
  /** @param limitMs time left, for a subtree; a child has limits of its own */
  end(reason: string, limitMs: number): Promise<void>;
  letGo(): void;
  readonly handle: Child<never> | Supervisor;
}

const NAME = /^[A-Za-z0-9_.:-]{1,128}$/;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const events = new EventLog(options.clock, options.logger);
  const kernel = createKernel(options.clock, options.tracer ?? NO_TRACER);
  const tree: Tree = { kernel, random: options.random, events, onEscalated: options.onEscalation ?? (() => {}) };
  return new TreeSupervisor(tree, options.name, {
    shutdown: "in_reverse",
    isShuttingDown: () => false,
    onStopped: () => kernel.stop(),
  });
}

interface Place {
  readonly shutdown: "in_reverse" | "together";
  readonly isShuttingDown: () => boolean;
  readonly onStopped: () => void;
}

class TreeSupervisor implements Supervisor {
  readonly path: string;
  readonly #tree: Tree;
  readonly #place: Place;
  /** In the order of spawning. */
  readonly #members = new Map<string, Member>();
  #state: "ready" | "draining" | "stopped" = "ready";
  #sinceMs: number;
  #stopping: Promise<void> | null = null;

  constructor(tree: Tree, path: string, place: Place) {
    this.path = path;
    this.#tree = tree;
    this.#place = place;
    this.#sinceMs = tree.kernel.clock.wallMs();
  }

  get events(): SupervisionEvents {
    return this.#tree.events;
  }

  get clock(): Clock {
    return this.#tree.kernel.clock;
  }

  spawn<State, Message>(spec: ChildSpec<State, Message>): SupervisedChild<State, Message> {
    this.#assertFree(spec.name);
    const child = new SupervisedChild(spec, {
      ...this.#tree,
      path: `${this.path}/${spec.name}`,
      isShuttingDown: () => this.#isShuttingDown(),
      onStopped: () => this.#members.delete(spec.name),
    });
    this.#members.set(spec.name, {
      handle: child as Child<never>,
      status: () => child.status(),
      end: (reason) => child.stop(reason),
      letGo: () => child.letGo(),
    });
    return child;
  }

  spawnSupervisor(name: string, options: SubtreeOptions = {}): Supervisor {
    this.#assertFree(name);
    const supervisor = new TreeSupervisor(this.#tree, `${this.path}/${name}`, {
      shutdown: options.shutdown ?? "in_reverse",
      isShuttingDown: () => this.#isShuttingDown(),
      onStopped: () => this.#members.delete(name),
    });
    this.#members.set(name, {
      handle: supervisor,
      status: () => supervisor.status(),
      end: (reason, limitMs) => supervisor.stop({ reason, limitMs }),
      letGo: () => supervisor.#letGo(),
    });
    return supervisor;
  }

  *children(): Iterable<Child<never> | Supervisor> {
    for (const member of this.#members.values()) yield member.handle;
  }

  status(): StatusNode {
    return {
      path: this.path,
      kind: "supervisor",
      state: this.#state,
      since: new Date(this.#sinceMs).toISOString(),
      incarnation: 1,
      restarts: { count: 0, max: 0, window_s: 0 },
      breaker: "closed",
      mailbox: { depth: 0, capacity: 0, oldest_ms: 0 },
      in_flight: 0,
      latency_ms: { p50: 0, p95: 0, p99: 0 },
      next_probe_at: null,
      last_error: null,
      children: [...this.#members.values()].map((member) => member.status()),
    };
  }

  stop(options: StopOptions): Promise<void> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async #stop(options: StopOptions): Promise<void> {
    this.#enter("draining");
    const endsAtMs = this.clock.monotonicMs() + options.limitMs;
    const members = [...this.#members.values()].reverse();
    const end = (member: Member) => this.#endWithin(member, options.reason, endsAtMs);
    if (this.#place.shutdown === "together") await Promise.all(members.map(end));
    else for (const member of members) await end(member);
    this.#members.clear();
    this.#enter("stopped");
    this.#place.onStopped();
  }

  /** Ends a member, or lets it go when the time of the whole is up. */
  async #endWithin(member: Member, reason: string, endsAtMs: number): Promise<void> {
    const leftMs = Math.max(0, endsAtMs - this.clock.monotonicMs());
    const ending = member.end(reason, leftMs);
    await new Promise<void>((resolve) => {
      const timer = this.clock.setTimer(leftMs, () => {
        member.letGo();
        resolve();
      });
      void ending.finally(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #letGo(): void {
    for (const member of this.#members.values()) member.letGo();
  }

  #isShuttingDown(): boolean {
    return this.#state !== "ready" || this.#place.isShuttingDown();
  }

  #enter(state: "draining" | "stopped"): void {
    this.#state = state;
    this.#sinceMs = this.clock.wallMs();
  }

  #assertFree(name: string): void {
    if (!NAME.test(name)) throw new TypeError(`Cannot name a child "${name}": allowed are 1 to 128 of A-Z a-z 0-9 _ . : -`);
    if (this.#members.has(name)) throw new TypeError(`${this.path} already has a child "${name}"`);
    if (this.#isShuttingDown()) throw new TypeError(`${this.path} is stopping and takes no child "${name}"`);
  }
}
