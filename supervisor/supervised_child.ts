import type { Clock, Timer } from "../runtime/clock.ts";
import { type ErrorCode, type KennelError, kennelError, toKennelError } from "../runtime/errors.ts";
import type { Random } from "../runtime/random.ts";
import { backoff } from "./backoff.ts";
import type { Child, ChildSpec, ChildState, StatusNode } from "./child.ts";
import type { EventLog } from "./event_log.ts";
import { FailureWindow } from "./failure_window.ts";
import { gateFor } from "./gate.ts";
import type { Actor, OwnPart } from "./kernel/actor.ts";
import type { AskOptions, Asks, TellOptions } from "./kernel/behavior.ts";
import type { Halted } from "./kernel/incarnation.ts";
import type { Kernel } from "./kernel/kernel.ts";
import type { PoolStats } from "./pool.ts";
import { Probes } from "./probes.ts";
import { ReadyWaiters } from "./ready_waiters.ts";
import { withinLimit } from "./time_limit.ts";

// Invariants:
//   S1. A child restarts only after its handler settled or its stop limit passed.
//   S2. More than `restartIntensity` crashes in `restartPeriodMs` open the breaker. A failed start opens it as well, and
//       spends nothing of that budget.
//   S3. While the breaker is open or half open, no work is let in; it closes with a passed probe.
//   S4. What has been overtaken does nothing: whoever waited compares its step with the present one before it acts.
//   S5. Suspension ends by itself, for ever; only `stop` is final.

export interface Surroundings {
  readonly path: string;
  readonly kernel: Kernel;
  readonly random: Random;
  readonly events: EventLog;
  /** Whether the node is on its way down: refused callers then hear `draining`. */
  readonly isShuttingDown: () => boolean;
  readonly onStopped: () => void;
  readonly onEscalated: (path: string) => void;
}

/** Control messages that wait for one child. */
const CONTROL_CAPACITY = 100;
/** Incarnations of one child that were let go and still run; beyond, it stays suspended until one of them ends. */
const MAX_ABANDONED = 3;

export class SupervisedChild<State, Message> implements Child<Message> {
  readonly name: string;
  readonly kind: string;
  readonly path: string;
  readonly #spec: ChildSpec<State, Message>;
  readonly #around: Surroundings;
  readonly #clock: Clock;
  readonly #actor: Actor<Message>;
  readonly #window: FailureWindow;
  readonly #probes: Probes;
  readonly #waiters = new ReadyWaiters();
  #state: ChildState = { kind: "starting", attempt: 1 };
  #sinceMs: number;
  #step = 0; // S4
  #isBreakerOpen = false;
  #attempts = 0;
  #suspensionsInRow = 0;
  #readyAtMs: number | null = null;
  #crashesMs: number[] = [];
  #lastError: string | null = null;
  #pause: Timer | null = null;
  #halting: Promise<Halted> = Promise.resolve("quiet");
  #stopping: Promise<void> | null = null;

  constructor(spec: ChildSpec<State, Message>, around: Surroundings) {
    this.name = spec.name;
    this.kind = spec.kind;
    this.path = around.path;
    this.#spec = spec;
    this.#around = around;
    this.#clock = around.kernel.clock;
    this.#sinceMs = this.#clock.wallMs();
    const { limits } = spec;
    this.#actor = around.kernel.createActor<Message>({
      path: around.path,
      kind: spec.kind,
      limits: { ...limits, controlCapacity: CONTROL_CAPACITY },
      observer: {
        crashed: (error) => this.#onCrash(error),
        settled: (code, durationMs, own) => this.#onSettled(code, durationMs, own),
        stopFailed: (error) => this.#note("crashed", `Stop failed: ${sentence(error)}`, error),
      },
    });
    this.#window = new FailureWindow(limits, this.#clock);
    this.#probes = new Probes(this.#clock, limits, (signal) => this.#probe(signal), {
      failed: (error) => this.#note("probe_failed", sentence(error), error),
      gaveUp: (error) => this.#suspend(`${limits.maxFailedProbes} probes failed in a row: ${sentence(error)}`),
    });
    void this.#begin("started");
  }

  get state(): ChildState {
    return this.#state;
  }

  get breaker(): StatusNode["breaker"] {
    if (!this.#isBreakerOpen) return "closed";
    return this.#state.kind === "starting" || this.#state.kind === "probing" ? "half_open" : "open";
  }

  /** What callers are told now, with what it was suspended for; null while it is ready. */
  get refusal(): KennelError | null {
    if (this.#state.kind === "ready") return null;
    const refusal = this.#refusal();
    if (this.#lastError === null || refusal.code !== "unavailable") return refusal;
    const { message, retryAfterMs } = refusal;
    return kennelError("unavailable", { message: `${message} (${this.#lastError})`, ...(retryAfterMs === null ? {} : { retryAfterMs }) });
  }

  tell(message: Message, options?: TellOptions): boolean {
    return this.#actor.tell(message, options);
  }

  ask<Reply>(message: Message & Asks<Reply>, options: AskOptions): Promise<Reply> {
    return this.#actor.ask(message, options);
  }

  whenReady(signal: AbortSignal): Promise<void> {
    if (this.#state.kind === "ready") return Promise.resolve();
    if (this.#state.kind === "stopped") return Promise.reject(this.#refusal());
    return this.#waiters.wait(signal);
  }

  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#drain(reason);
    return this.#stopping;
  }

  /** Ends what it does at once, without waiting: the last resort of a shutdown whose time is up. */
  letGo(): void {
    this.#actor.end(this.#refusal());
    this.#actor.refuseWaiting(this.#refusal());
  }

  status(): StatusNode {
    const { limits } = this.#spec;
    const measured = this.#actor.measurements();
    const details = this.#details();
    return {
      path: this.path,
      kind: this.kind,
      state: this.#state.kind,
      since: iso(this.#sinceMs),
      incarnation: this.#actor.incarnation,
      restarts: { count: this.#crashesInPeriod(), max: limits.restartIntensity, window_s: limits.restartPeriodMs / 1000 },
      breaker: this.breaker,
      mailbox: { depth: measured.depth, capacity: limits.mailboxCapacity, oldest_ms: measured.oldestMs },
      in_flight: measured.inFlight,
      latency_ms: measured.latencyMs,
      counts: measured.counts,
      next_probe_at: this.#nextProbeAt(),
      last_error: this.#lastError,
      ...(details === null ? {} : { details }),
      ...(this.#spec.pool === undefined ? {} : { pool: toStatus(this.#spec.pool()) }),
      children: [],
    };
  }

  async #begin(event: "started" | "restarted"): Promise<void> {
    const step = ++this.#step;
    const { limits, behavior, probe, maxStartWaitMs } = this.#spec;
    this.#attempts++;
    this.#enter({ kind: "starting", attempt: this.#attempts });
    this.#note(event, null);
    const isAwaited = maxStartWaitMs !== undefined && !this.#isBreakerOpen;
    const patience = isAwaited ? this.#clock.setTimer(maxStartWaitMs, () => this.#refuseWhileStarting(step)) : null;
    try {
      await withinLimit(this.#clock, limits.startTimeoutMs, `Start took longer than ${limits.startTimeoutMs} ms`, () => {
        if (step !== this.#step) throw kennelError("cancelled");
        return this.#actor.begin(behavior());
      });
      if (step !== this.#step) return;
      if (probe !== undefined) {
        if (this.#isBreakerOpen) {
          this.#enter({ kind: "probing" });
          this.#note("probing", null);
        }
        await this.#probes.once();
      }
    } catch (error) {
      if (step === this.#step) this.#suspend(sentence(error), error); // S2
      return;
    } finally {
      patience?.cancel();
    }
    if (step === this.#step) this.#becomeReady();
  }

  /** Nobody knows whether this start comes to an end: from here on it is a half-open breaker's (S3). */
  #refuseWhileStarting(step: number): void {
    if (step !== this.#step || this.#state.kind !== "starting") return;
    this.#isBreakerOpen = true;
    this.#actor.setGate(gateFor(this.#state, true, false, () => this.#refusal()));
    this.#actor.refuseWaiting(this.#refusal());
  }

  #becomeReady(): void {
    this.#step++;
    this.#isBreakerOpen = false; // S3
    this.#attempts = 0;
    this.#readyAtMs = this.#clock.monotonicMs();
    this.#window.clear();
    this.#enter({ kind: "ready" });
    this.#note("ready", null);
    if (this.#spec.probe !== undefined) this.#probes.start();
    this.#waiters.resolve();
  }

  #onCrash(error: unknown): void {
    this.#note("crashed", sentence(error), error);
    if (this.#state.kind === "starting" || this.#state.kind === "probing") this.#suspend(sentence(error));
    else if (this.#state.kind === "ready") this.#answerCrash(sentence(error));
    // In every other state it is being halted already.
  }

  #answerCrash(cause: string): void {
    const { restartIntensity, restartPeriodMs } = this.#spec.limits;
    this.#crashesMs.push(this.#clock.monotonicMs());
    if (this.#crashesInPeriod() <= restartIntensity) void this.#restart();
    else this.#suspend(`More than ${restartIntensity} crashes in ${restartPeriodMs / 1000} s: ${cause}`); // S2
  }

  async #restart(): Promise<void> {
    const step = ++this.#step;
    this.#probes.stop();
    this.#enter({ kind: "starting", attempt: this.#attempts + 1 });
    const halted = await this.#halt(0); // S1
    if (step !== this.#step) return;
    if (halted === "abandoned") this.#suspend("A handler outlived its stop limit");
    else await this.#begin("restarted");
  }

  #suspend(cause: string, error?: unknown): void {
    const { limits } = this.#spec;
    const graceMs = this.#state.kind === "ready" ? limits.stopGraceMs : 0;
    const step = ++this.#step;
    this.#probes.stop();
    if (this.#hasStoodFirm()) this.#suspensionsInRow = 0;
    this.#readyAtMs = null;
    const pauseMs = backoff(limits, this.#suspensionsInRow++, this.#around.random);
    this.#isBreakerOpen = true;
    this.#lastError = cause;
    this.#enter({ kind: "suspended", untilMs: this.#clock.wallMs() + pauseMs, cause });
    this.#actor.refuseWaiting(this.#refusal()); // S3
    this.#note("suspended", cause, error);
    const pause = new Promise<void>((resolve) => {
      this.#pause = this.#clock.setTimer(pauseMs, resolve);
    });
    void Promise.all([this.#halt(Math.min(graceMs, pauseMs)), pause]).then(() => {
      if (step !== this.#step) return; // S4
      if (this.#actor.measurements().abandoned >= MAX_ABANDONED) this.#suspend("Handlers that were let go still run");
      else return this.#begin("restarted"); // S5
    });
  }

  /** Whether it was ready for so long that the suspensions before are history. */
  #hasStoodFirm(): boolean {
    return this.#readyAtMs !== null && this.#clock.monotonicMs() - this.#readyAtMs >= this.#spec.limits.restartPeriodMs;
  }

  async #drain(reason: string): Promise<void> {
    const wasReady = this.#state.kind === "ready";
    this.#step++;
    this.#pause?.cancel();
    this.#probes.stop();
    this.#enter({ kind: "draining" }, wasReady);
    this.#note("draining", reason);
    if (!wasReady) this.#actor.refuseWaiting(this.#refusal());
    await this.#halting;
    await this.#halt(wasReady ? this.#spec.limits.stopGraceMs : 0);
    this.#enter({ kind: "stopped", reason });
    this.#actor.refuseWaiting(this.#refusal());
    this.#note("stopped", reason);
    this.#waiters.reject(this.#refusal());
    this.#around.onStopped();
  }

  #halt(graceMs: number): Promise<Halted> {
    const { stopLimitMs } = this.#spec.limits;
    this.#halting = this.#actor.halt({ graceMs, limitMs: stopLimitMs, refusal: this.#refusal() }).then((halted) => {
      if (halted === "abandoned") {
        this.#note("escalated", `Something of it still runs ${stopLimitMs} ms after it was told to stop`);
        this.#around.onEscalated(this.path);
      }
      return halted;
    });
    return this.#halting;
  }

  #onSettled(code: ErrorCode | null, durationMs: number, own: OwnPart): void {
    if (this.#state.kind !== "ready") return;
    const { waitsForServices = false, limits } = this.#spec;
    if (waitsForServices && own.wasPiped && code === "deadline_exceeded") return;
    const isFailed = code === "unavailable" || code === "internal" || code === "deadline_exceeded";
    if (isFailed) this.#lastError = code;
    const isSlow = (waitsForServices ? own.durationMs : durationMs) > limits.slowCallMs;
    const verdict = this.#window.record({ isFailed, isSlow });
    if (verdict !== null) this.#suspend(verdict);
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const actor = this.#actor;
    // A probe goes the way of control messages: work would not be let in before it has passed.
    const view = {
      path: this.path,
      tell: (message: Message) => actor.tell(message, { lane: "control" }),
      ask: <Reply>(message: Message & Asks<Reply>, options: AskOptions) => actor.ask(message, { ...options, lane: "control" }),
    };
    await this.#spec.probe?.(view, signal);
  }

  #enter(state: ChildState, takesWork = false): void {
    this.#state = state;
    this.#sinceMs = this.#clock.wallMs();
    this.#actor.setGate(gateFor(state, this.#isBreakerOpen, takesWork, () => this.#refusal()));
  }

  #refusal(): KennelError {
    if (this.#around.isShuttingDown()) return kennelError("draining");
    const { limits, kind } = this.#spec;
    const message = `The ${kind.replaceAll("_", " ")} "${this.name}" is ${this.#state.kind}`;
    if (this.#state.kind === "stopped" || this.#state.kind === "draining") return kennelError("unavailable", { message });
    const leftMs = this.#state.kind === "suspended" ? this.#state.untilMs - this.#clock.wallMs() : limits.backoffMs;
    return kennelError("unavailable", { message, retryAfterMs: Math.max(1, Math.ceil(leftMs)) });
  }

  #note(event: Parameters<EventLog["emit"]>[1], detail: string | null, error?: unknown): void {
    if (event === "crashed" || event === "probe_failed") this.#lastError = detail;
    this.#around.events.emit(this.path, event, detail, error);
  }

  #crashesInPeriod(): number {
    const fromMs = this.#clock.monotonicMs() - this.#spec.limits.restartPeriodMs;
    this.#crashesMs = this.#crashesMs.filter((crashMs) => crashMs > fromMs);
    return this.#crashesMs.length;
  }

  #nextProbeAt(): string | null {
    if (this.#state.kind === "suspended") return iso(this.#state.untilMs);
    const inMs = this.#probes.nextInMs;
    return inMs === null ? null : iso(this.#clock.wallMs() + inMs);
  }

  #details(): Readonly<Record<string, unknown>> | null {
    try {
      return this.#spec.details?.() ?? null;
    } catch (error) {
      return { error: sentence(error) }; // the tree is what people look at when something is broken
    }
  }
}

function toStatus({ size, idle, inUse, waiting, limit, max }: PoolStats): NonNullable<StatusNode["pool"]> {
  return { size, idle, in_use: inUse, waiting, limit, max };
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

/** Code and sentence of an error; a foreign error's own message may hold paths or addresses and stays in the log. */
function sentence(error: unknown): string {
  const { code, message } = toKennelError(error);
  return `${code}: ${message}`;
}
