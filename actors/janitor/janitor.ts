import type { Clock, Timer } from "../../runtime/clock.ts";
import { type KennelError, neverReached, toKennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { ActorContext, ActorRef, Asks, Behavior, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { JanitorTask } from "./tasks.ts";

export interface JanitorOptions {
  readonly tasks: readonly JanitorTask[];
  /** Pause between two rounds, drawn from 0.75 to 1.25 of it, so that nodes do not tidy in step. */
  readonly intervalMs: number;
  /** Time one task may take in one round. */
  readonly taskTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How a task went when it last ran. */
export interface TaskReport {
  readonly name: string;
  readonly runs: number;
  readonly failures: number;
  /** ISO 8601; null: not yet. */
  readonly lastRunAt: string | null;
  readonly lastDurationMs: number;
  /** Things dealt with in the last run, and in all. */
  readonly lastCount: number;
  readonly total: number;
  readonly lastError: string | null;
}

interface RunMessage extends Asks<readonly TaskReport[]> {
  readonly kind: "run";
}

export type JanitorMessage =
  | RunMessage
  | { readonly kind: "due" | "pause" | "resume" }
  | { readonly kind: "round_ended"; readonly asks: readonly PendingAsk[] };

export interface JanitorState {
  isPaused: boolean;
  isRunning: boolean;
  /** Who asked for a round while one ran: the next begins when it has ended. */
  waiting: PendingAsk[];
  timer: Timer | null;
}

export interface Janitor {
  behavior(): Behavior<JanitorState, JanitorMessage>;
  /** For the status tree. */
  details(): Readonly<Record<string, unknown>>;
}

/** Upkeep in the background: rounds of bounded tasks, one after the other, none of which can end the actor. */
export function createJanitor(options: JanitorOptions): Janitor {
  const reports = new Map(options.tasks.map((task) => [task.name, emptyReport(task.name)]));
  let isPaused = false;
  const round = new Round(options, reports);
  return {
    behavior: () => ({
      start(context) {
        const state: JanitorState = { isPaused, isRunning: false, waiting: [], timer: null };
        schedule(options, state, context);
        return state;
      },
      receive(state, message, context) {
        receive(options, round, state, message, context);
        isPaused = state.isPaused; // a restart does not resume what an operator has paused
        return state;
      },
      stop: (state) => state.timer?.cancel(),
    }),
    details: () => ({ paused: isPaused, tasks: [...reports.values()] }),
  };
}

function receive(
  options: JanitorOptions,
  round: Round,
  state: JanitorState,
  message: JanitorMessage,
  context: ActorContext<JanitorMessage>,
): void {
  switch (message.kind) {
    case "due":
      if (!state.isPaused && !state.isRunning) startRound(round, state, [], context);
      break;
    case "run":
      if (context.pendingAsk !== null) state.waiting.push(context.pendingAsk);
      if (!state.isRunning) startRound(round, state, state.waiting.splice(0), context);
      break;
    case "round_ended":
      state.isRunning = false;
      for (const ask of message.asks) ask.reply([...round.reports.values()]);
      if (state.waiting.length > 0) startRound(round, state, state.waiting.splice(0), context);
      else schedule(options, state, context);
      break;
    case "pause":
      state.isPaused = true;
      state.timer?.cancel();
      break;
    case "resume":
      state.isPaused = false;
      if (!state.isRunning) schedule(options, state, context);
      break;
    default:
      neverReached(message);
  }
}

function startRound(round: Round, state: JanitorState, asks: readonly PendingAsk[], context: ActorContext<JanitorMessage>): void {
  state.isRunning = true;
  state.timer?.cancel();
  context.pipe(
    (signal) => round.run(signal),
    () => ({ kind: "round_ended", asks }),
  );
}

function schedule(options: JanitorOptions, state: JanitorState, context: ActorContext<JanitorMessage>): void {
  state.timer?.cancel();
  if (state.isPaused) return;
  const delayMs = options.intervalMs * (0.75 + 0.5 * options.random.next());
  state.timer = context.clock.setTimer(delayMs, () => void context.self.tell({ kind: "due" }, { lane: "control" }));
}

class Round {
  readonly reports: Map<string, TaskReport>;
  readonly #options: JanitorOptions;

  constructor(options: JanitorOptions, reports: Map<string, TaskReport>) {
    this.#options = options;
    this.reports = reports;
  }

  /** Every task gets its turn, whatever became of the one before. */
  async run(signal: AbortSignal): Promise<void> {
    for (const task of this.#options.tasks) {
      if (signal.aborted) return;
      await this.#runTask(task, signal);
    }
  }

  async #runTask(task: JanitorTask, signal: AbortSignal): Promise<void> {
    const { clock, logger, taskTimeoutMs } = this.#options;
    const late = new AbortController();
    const timer = clock.setTimer(taskTimeoutMs, () => late.abort(new Error(`${task.name} took longer than ${taskTimeoutMs} ms`)));
    const startedMs = clock.monotonicMs();
    const lastRunAt = new Date(clock.wallMs()).toISOString();
    let count = 0;
    let error: KennelError | null = null;
    try {
      count = await task.run(AbortSignal.any([signal, late.signal]));
      if (count > 0) logger.info({ task: task.name, count }, "Tidied up");
    } catch (thrown) {
      error = toKennelError(thrown);
      logger.warn({ task: task.name, err: error }, "Upkeep failed; the next round tries again");
    } finally {
      timer.cancel();
    }
    const before = this.reports.get(task.name) ?? emptyReport(task.name);
    this.reports.set(task.name, {
      name: task.name,
      runs: before.runs + 1,
      failures: before.failures + (error === null ? 0 : 1),
      lastRunAt,
      lastDurationMs: Math.round(clock.monotonicMs() - startedMs),
      lastCount: count,
      total: before.total + count,
      lastError: error === null ? null : `${error.code}: ${error.message}`,
    });
  }
}

function emptyReport(name: string): TaskReport {
  return { name, runs: 0, failures: 0, lastRunAt: null, lastDurationMs: 0, lastCount: 0, total: 0, lastError: null };
}

/** What operators and tests ask of the janitor. */
export interface JanitorService {
  /** Runs a round now, paused or not, and tells how each task went. */
  run(signal: AbortSignal): Promise<readonly TaskReport[]>;
  pause(): void;
  resume(): void;
}

export function janitorService(actor: ActorRef<JanitorMessage>, timeoutMs: number): JanitorService {
  return {
    run: (signal) => actor.ask<readonly TaskReport[]>({ kind: "run" }, { timeoutMs, signal }),
    pause: () => void actor.tell({ kind: "pause" }, { lane: "control" }),
    resume: () => void actor.tell({ kind: "resume" }, { lane: "control" }),
  };
}
