import { unlessAborted } from "../../runtime/cancellation.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { kennelError, neverReached, toKennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { Slots } from "../../runtime/slots.ts";
import type { ActorContext, Asks, Behavior, Outcome, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import type { Logger } from "../../telemetry/logs.ts";

/** One kind of upkeep. What it does in one run is bounded; what it leaves, the next run does. */
export interface UpkeepTask {
  /** `[a-z_]`, as in `remove_expired`. */
  readonly name: string;
  /** Pause between two runs, drawn from 0.75 to 1.25 of it, so that nodes do not tidy in step. */
  readonly intervalMs: number;
  /** Time one run may take. */
  readonly timeoutMs: number;
  /** Is much work for a store: such tasks run one after the other, so that they are never more than one caller among the store's. */
  readonly takesTurns: boolean;
  /**
   * @param isAsked an operator wants it now, whether it is due or not
   * @returns how many things it has dealt with
   */
  run(signal: AbortSignal, isAsked: boolean): Promise<number>;
}

/** How a task stands. */
export interface TaskReport {
  readonly task: string;
  /** By an operator; a run that was under way then ends. */
  readonly is_paused: boolean;
  readonly is_running: boolean;
  readonly runs: number;
  readonly failures: number;
  /** ISO 8601; null: not yet. */
  readonly last_run_at: string | null;
  readonly last_duration_ms: number;
  /** Things dealt with in the last run, and in all. */
  readonly last_count: number;
  readonly total: number;
  /** The failure's code and sentence; null: the last run went well. */
  readonly last_error: string | null;
  /** ISO 8601; null while it runs or is paused. */
  readonly next_run_at: string | null;
}

export interface UpkeepOptions {
  readonly task: UpkeepTask;
  /** Shared by the tasks that take turns. */
  readonly turns: Slots;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told how each run ended. */
  readonly onRun: (task: string, outcome: "ok" | "failed", durationMs: number) => void;
}

/** Each is answered with how the task stands afterwards. */
interface OrderMessage extends Asks<TaskReport> {
  readonly kind: "run" | "pause" | "resume";
}

export type UpkeepMessage =
  | OrderMessage
  | { readonly kind: "due" }
  | { readonly kind: "ended"; readonly asks: readonly PendingAsk[]; readonly run: Outcome<Run> };

export interface UpkeepState {
  isRunning: boolean;
  /** Who asked for a run while one was under way: the next begins when it has ended. */
  waiting: PendingAsk[];
  timer: Timer | null;
}

interface Run {
  readonly atMs: number;
  readonly durationMs: number;
  readonly count: number;
  readonly error: string | null;
}

const FIRST: TaskReport = {
  task: "",
  is_paused: false,
  is_running: false,
  runs: 0,
  failures: 0,
  last_run_at: null,
  last_duration_ms: 0,
  last_count: 0,
  total: 0,
  last_error: null,
  next_run_at: null,
};

/** A task as an actor: it runs when it is due or asked for, once at a time, and no failure of it ends the actor. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #report: TaskReport;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#report = { ...FIRST, task: options.task.name };
  }

  /** Of an incarnation; what is known of the task, and that it is paused, outlives a restart. */
  readonly behavior = (): Behavior<UpkeepState, UpkeepMessage> => ({
    start: (context) => {
      const state: UpkeepState = { isRunning: false, waiting: [], timer: null };
      this.#schedule(state, context);
      return state;
    },
    receive: (state, message, context) => {
      this.#receive(state, message, context);
      return state;
    },
    stop: (state) => state.timer?.cancel(),
  });

  get report(): TaskReport {
    return this.#report;
  }

  #receive(state: UpkeepState, message: UpkeepMessage, context: ActorContext<UpkeepMessage>): void {
    switch (message.kind) {
      case "due":
        if (!this.#report.is_paused && !state.isRunning) this.#start(state, context);
        break;
      case "run":
        if (context.pendingAsk !== null) state.waiting.push(context.pendingAsk);
        if (!state.isRunning) this.#start(state, context);
        break;
      case "ended":
        state.isRunning = false;
        if (message.run.ok) this.#note(message.run.value);
        if (state.waiting.length > 0) this.#start(state, context);
        else this.#schedule(state, context);
        for (const ask of message.asks) ask.reply(this.#report);
        break;
      case "pause":
      case "resume":
        this.#report = { ...this.#report, is_paused: message.kind === "pause" };
        if (!state.isRunning) this.#schedule(state, context);
        context.pendingAsk?.reply(this.#report);
        break;
      default:
        neverReached(message);
    }
  }

  #start(state: UpkeepState, context: ActorContext<UpkeepMessage>): void {
    state.isRunning = true;
    state.timer?.cancel();
    this.#report = { ...this.#report, is_running: true, next_run_at: null };
    const asks = state.waiting.splice(0);
    context.pipe(
      (signal) => this.#run(signal, asks.length > 0),
      (run) => ({ kind: "ended", asks, run }),
    );
  }

  /** Never rejects: what went wrong is in the report, and the next run tries again. */
  async #run(signal: AbortSignal, isAsked: boolean): Promise<Run> {
    const { task, clock, logger, turns } = this.#options;
    const late = new AbortController();
    const timer = clock.setTimer(task.timeoutMs, () =>
      late.abort(kennelError("deadline_exceeded", { message: `It took longer than ${task.timeoutMs} ms` })),
    );
    const within = AbortSignal.any([signal, late.signal]);
    const atMs = clock.wallMs();
    const startedMs = clock.monotonicMs();
    let release: (() => void) | null = null;
    const ended = (count: number, error: string | null): Run => ({ atMs, durationMs: clock.monotonicMs() - startedMs, count, error });
    try {
      if (task.takesTurns) release = await turns.take(within);
      const count = await unlessAborted(task.run(within, isAsked), within);
      if (count > 0) logger.info({ task: task.name, count }, "Tidied up");
      return ended(count, null);
    } catch (thrown) {
      const error = toKennelError(thrown);
      if (!signal.aborted) logger.warn({ task: task.name, err: error }, "Upkeep failed; the next run tries again");
      return ended(0, `${error.code}: ${error.message}`);
    } finally {
      timer.cancel();
      release?.();
    }
  }

  #note({ atMs, durationMs, count, error }: Run): void {
    this.#options.onRun(this.#options.task.name, error === null ? "ok" : "failed", durationMs);
    this.#report = {
      ...this.#report,
      is_running: false,
      runs: this.#report.runs + 1,
      failures: this.#report.failures + (error === null ? 0 : 1),
      last_run_at: new Date(atMs).toISOString(),
      last_duration_ms: Math.round(durationMs),
      last_count: count,
      total: this.#report.total + count,
      last_error: error,
    };
  }

  #schedule(state: UpkeepState, context: ActorContext<UpkeepMessage>): void {
    const { task, clock, random } = this.#options;
    state.timer?.cancel();
    this.#report = { ...this.#report, is_running: false, next_run_at: null };
    if (this.#report.is_paused) return;
    const delayMs = task.intervalMs * (0.75 + 0.5 * random.next());
    this.#report = { ...this.#report, next_run_at: new Date(clock.wallMs() + delayMs).toISOString() };
    state.timer = clock.setTimer(delayMs, () => void context.self.tell({ kind: "due" }, { lane: "control" }));
  }
}
