import { Worker } from "node:worker_threads";
import type { Clock, Timer } from "./clock.ts";
import { type KennelError, kennelError } from "./errors.ts";
import { type FromThread, fromPlainError, type ToThread } from "./worker_thread.ts";

// Invariants:
//   W1. A thread holds one task at a time; a task is settled exactly once.
//   W2. A thread that died or was terminated takes at most its own task with it; the next task gets a new thread.
//   W3. At most `maxQueue` tasks wait; one more is refused with `overloaded`.

export interface WorkerPoolOptions {
  /** What the threads do, for messages: `parser`, `document store`. */
  readonly name: string;
  /** The threads' entry file; it ends in a call of `serveTasks`. */
  readonly entry: URL;
  /** Handed to each thread's start; plain data. */
  readonly data: unknown;
  readonly maxThreads: number;
  readonly maxQueue: number;
  /**
   * What becomes of a thread whose task passed its time or was cancelled. `terminate`: it is replaced at once, for work
   * that may never end. `finish`: its caller is told, the thread ends the task and then takes the next, for work that
   * must not be torn.
   */
  readonly whenLate: "terminate" | "finish";
  readonly clock: Clock;
}

export interface RunOptions {
  /** From the moment a thread takes the task. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Buffers within the task that are handed over instead of copied. */
  readonly transfer?: readonly ArrayBuffer[];
}

export interface WorkerPool<Task, Result> {
  readonly queued: number;
  readonly running: number;
  /**
   * Rejects with what the thread's work threw, or `overloaded` (queue full), `deadline_exceeded` (the task's time
   * passed), `cancelled`, `unavailable` (the thread died, or the pool is closed).
   */
  run(task: Task, options: RunOptions): Promise<Result>;
  /** Starts all threads and waits for them; rejects with what a thread's start threw. */
  warm(): Promise<void>;
  /** Refuses what waits, ends the threads: at once where late ones are terminated, else when they have ended what they hold. Idempotent. */
  close(): Promise<void>;
}

interface Waiting<Task, Result> {
  readonly task: Task;
  readonly options: RunOptions;
  readonly resolve: (value: Result) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
}

interface Thread<Task, Result> {
  readonly worker: Worker;
  readonly ready: Promise<void>;
  isReady: boolean;
  isDead: boolean;
  /** The task whose caller still waits. */
  current: Waiting<Task, Result> | null;
  /** True until the thread has answered, even when its caller was told earlier. */
  isBusy: boolean;
  timer: Timer | null;
  readonly exited: Promise<void>;
}

export function createWorkerPool<Task, Result>(options: WorkerPoolOptions): WorkerPool<Task, Result> {
  return new ThreadPool<Task, Result>(options);
}

class ThreadPool<Task, Result> implements WorkerPool<Task, Result> {
  readonly #options: WorkerPoolOptions;
  readonly #threads = new Set<Thread<Task, Result>>();
  readonly #queue: Waiting<Task, Result>[] = [];
  #isClosed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queue.length;
  }

  get running(): number {
    return [...this.#threads].filter((thread) => thread.isBusy).length;
  }

  run(task: Task, options: RunOptions): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    if (options.signal.aborted) {
      reject(cancelled(options.signal));
    } else if (this.#isClosed) {
      reject(kennelError("unavailable", { message: `The ${this.#options.name} is closed` }));
    } else if (this.#queue.length >= this.#options.maxQueue) {
      reject(kennelError("overloaded", { message: `The ${this.#options.name} has too much to do`, retryAfterMs: 1000 }));
    } else {
      const waiting: Waiting<Task, Result> = { task, options, resolve, reject, onAbort: () => this.#abort(waiting) };
      options.signal.addEventListener("abort", waiting.onAbort, { once: true });
      this.#queue.push(waiting);
      this.#dispatch();
    }
    return promise;
  }

  async warm(): Promise<void> {
    while (this.#threads.size < this.#options.maxThreads) this.#startThread();
    await Promise.all([...this.#threads].map((thread) => thread.ready));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const error = kennelError("unavailable", { message: `The ${this.#options.name} is closed` });
    for (const waiting of this.#queue.splice(0)) settle(waiting, () => waiting.reject(error));
    await Promise.all(
      [...this.#threads].map(async (thread) => {
        if (this.#options.whenLate === "terminate" || !thread.isReady) await thread.worker.terminate();
        else thread.worker.postMessage({ kind: "close" } satisfies ToThread<Task>);
        await thread.exited;
      }),
    );
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const thread = this.#idleThread();
      if (thread === null) return;
      const next = this.#queue.shift();
      if (next !== undefined) this.#give(thread, next);
    }
  }

  #idleThread(): Thread<Task, Result> | null {
    for (const thread of this.#threads) if (thread.isReady && !thread.isBusy) return thread;
    const starting = [...this.#threads].filter((thread) => !thread.isReady).length;
    if (this.#threads.size < this.#options.maxThreads && starting < this.#queue.length) this.#startThread();
    return null;
  }

  #give(thread: Thread<Task, Result>, waiting: Waiting<Task, Result>): void {
    thread.current = waiting;
    thread.isBusy = true;
    thread.timer = this.#options.clock.setTimer(waiting.options.timeoutMs, () => {
      const message = `The ${this.#options.name} did not end within ${waiting.options.timeoutMs} ms`;
      this.#letGo(thread, kennelError("deadline_exceeded", { message }));
    });
    try {
      const message: ToThread<Task> = { kind: "task", task: waiting.task };
      thread.worker.postMessage(message, [...(waiting.options.transfer ?? [])]);
    } catch (thrown) {
      this.#settleCurrent(thread, () => waiting.reject(kennelError("internal", { cause: thrown })));
      thread.isBusy = false;
    }
  }

  #abort(waiting: Waiting<Task, Result>): void {
    const place = this.#queue.indexOf(waiting);
    if (place >= 0) {
      this.#queue.splice(place, 1);
      waiting.reject(cancelled(waiting.options.signal));
      return;
    }
    for (const thread of this.#threads) if (thread.current === waiting) this.#letGo(thread, cancelled(waiting.options.signal));
  }

  /** The caller is told now; the thread is replaced, or goes on alone. */
  #letGo(thread: Thread<Task, Result>, error: KennelError): void {
    const waiting = thread.current;
    if (waiting === null) return;
    this.#settleCurrent(thread, () => waiting.reject(error));
    if (this.#options.whenLate === "finish") return;
    this.#threads.delete(thread);
    thread.isDead = true;
    void thread.worker.terminate();
    this.#dispatch();
  }

  #settleCurrent(thread: Thread<Task, Result>, deliver: () => void): void {
    thread.timer?.cancel();
    thread.timer = null;
    const waiting = thread.current;
    thread.current = null;
    if (waiting !== null) settle(waiting, deliver);
  }

  #startThread(): Thread<Task, Result> {
    const worker = new Worker(this.#options.entry, { workerData: this.#options.data });
    const ready = Promise.withResolvers<void>();
    const exited = Promise.withResolvers<void>();
    ready.promise.catch(() => {}); // who waits for it hears of it; the tasks that wait are told below
    const thread: Thread<Task, Result> = {
      worker,
      ready: ready.promise,
      isReady: false,
      isDead: false,
      current: null,
      isBusy: false,
      timer: null,
      exited: exited.promise,
    };
    this.#threads.add(thread);
    worker.on("message", (message: FromThread<Result>) => {
      if (message.kind === "ready") {
        thread.isReady = true;
        ready.resolve();
        this.#dispatch();
      } else if (!thread.isReady && message.kind === "failed") {
        this.#bury(thread, fromPlainError(message.error), ready.reject);
        void worker.terminate();
      } else if (message.kind === "closed") {
        void worker.terminate();
      } else {
        this.#answer(thread, message);
      }
    });
    const died = (cause: unknown) => {
      this.#bury(thread, kennelError("unavailable", { message: `The ${this.#options.name} broke off`, cause }), ready.reject);
    };
    worker.on("error", died);
    worker.on("messageerror", died);
    worker.on("exit", (code) => {
      died(new Error(`Thread ended with ${code}`));
      exited.resolve();
    });
    return thread;
  }

  #answer(thread: Thread<Task, Result>, message: FromThread<Result>): void {
    const waiting = thread.current;
    if (waiting !== null && message.kind === "done") this.#settleCurrent(thread, () => waiting.resolve(message.value));
    if (waiting !== null && message.kind === "failed") this.#settleCurrent(thread, () => waiting.reject(fromPlainError(message.error)));
    thread.isBusy = false;
    this.#dispatch();
  }

  /** W2. A thread that never became ready takes the waiting tasks with it: a new one would fail as it did. */
  #bury(thread: Thread<Task, Result>, error: KennelError, rejectReady: (error: unknown) => void): void {
    if (thread.isDead) return;
    thread.isDead = true;
    this.#threads.delete(thread);
    const waiting = thread.current;
    if (waiting !== null) this.#settleCurrent(thread, () => waiting.reject(error));
    if (!thread.isReady) {
      rejectReady(error);
      const others = [...this.#threads].some((other) => other.isReady);
      if (!others) for (const left of this.#queue.splice(0)) settle(left, () => left.reject(error));
    }
    if (!this.#isClosed) this.#dispatch();
  }
}

function settle<Task, Result>(waiting: Waiting<Task, Result>, deliver: () => void): void {
  waiting.options.signal.removeEventListener("abort", waiting.onAbort);
  deliver();
}

function cancelled(signal: AbortSignal): KennelError {
  return kennelError("cancelled", { cause: signal.reason });
}
