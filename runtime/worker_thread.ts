import { parentPort, workerData } from "node:worker_threads";
import { type ErrorCode, KennelError, toKennelError } from "./errors.ts";

/** What goes to a thread and what comes back. One task at a time is in a thread. */
export type ToThread<Task> = { readonly kind: "task"; readonly task: Task } | { readonly kind: "close" };
export type FromThread<Result> =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly value: Result }
  | { readonly kind: "failed"; readonly error: PlainError }
  /** Its work has let go of everything: the thread may be ended. (A thread cannot end itself alike on both runtimes.) */
  | { readonly kind: "closed" };

/** A `KennelError` that survives the copy between threads. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param: string | null;
  readonly retryAfterMs: number | null;
  /** What lay behind it, for the log. */
  readonly cause: string | null;
}

export interface ThreadAnswer<Result> {
  readonly value: Result;
  /** Buffers within `value` that are handed over instead of copied. */
  readonly transfer: readonly ArrayBuffer[];
}

export interface ThreadWork<Task, Result> {
  handle(task: Task): ThreadAnswer<Result> | Promise<ThreadAnswer<Result>>;
  close(): void;
}

/**
 * The inner side of a worker pool: call it once, at the end of a thread's entry file.
 * @param start gets the pool's `data`; a failure of it becomes the failure of the thread
 */
export async function serveTasks<Data, Task, Result>(
  start: (data: Data) => ThreadWork<Task, Result> | Promise<ThreadWork<Task, Result>>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TypeError("serveTasks runs in a worker thread only");
  const post = (message: FromThread<Result>, transfer: readonly ArrayBuffer[]) => port.postMessage(message, [...transfer]);
  try {
    const work = await start(workerData as Data);
    port.on("message", async (message: ToThread<Task>) => {
      if (message.kind === "close") {
        work.close();
        return post({ kind: "closed" }, []);
      }
      try {
        const answer = await work.handle(message.task);
        post({ kind: "done", value: answer.value }, answer.transfer);
      } catch (thrown) {
        post({ kind: "failed", error: toPlainError(thrown) }, []);
      }
    });
    post({ kind: "ready" }, []);
  } catch (thrown) {
    post({ kind: "failed", error: toPlainError(thrown) }, []);
  }
}

function toPlainError(thrown: unknown): PlainError {
  const error = toKennelError(thrown);
  const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : error.cause;
  return {
    code: error.code,
    message: error.message,
    param: error.param,
    retryAfterMs: error.retryAfterMs,
    cause: cause === undefined ? null : String(cause),
  };
}

export function fromPlainError(plain: PlainError): KennelError {
  return new KennelError(plain.code, {
    message: plain.message,
    ...(plain.param === null ? {} : { param: plain.param }),
    ...(plain.retryAfterMs === null ? {} : { retryAfterMs: plain.retryAfterMs }),
    ...(plain.cause === null ? {} : { cause: new Error(plain.cause) }),
  });
}
