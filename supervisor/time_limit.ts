import type { Clock } from "../runtime/clock.ts";
import { type KennelError, kennelError } from "../runtime/errors.ts";

/**
 * Runs `work` for at most `limitMs`: after that its signal is aborted and the promise rejects with `deadline_exceeded`
 * and `message`, whether `work` listens or not.
 */
export function withinLimit<Value>(
  clock: Clock,
  limitMs: number,
  message: string,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(limitMs, () => {
      const error: KennelError = kennelError("deadline_exceeded", { message });
      reject(error);
      controller.abort(error);
    });
    const running = Promise.resolve().then(() => work(controller.signal));
    running.then(resolve, reject).finally(() => timer.cancel());
  });
}
