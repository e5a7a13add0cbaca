/**
 * Asks again and again, politely: one question at a time, not while the tab is hidden, ever more rarely while answers fail.
 */

/**
 * @typedef {object} PollerEnvironment what a browser gives and a test drives by hand
 * @property {(run: () => void, delayMs: number) => () => void} schedule returns how to cancel
 * @property {() => boolean} isHidden
 * @property {(run: () => void) => void} onVisibility calls back whenever the tab is hidden or shown
 */

/**
 * The pause before the next question: the interval, doubled for each failure in a row, up to the cap.
 * @param {number} failures in a row, from 0
 * @param {number} intervalMs
 * @param {number} maxIntervalMs
 */
export function pauseMs(failures, intervalMs, maxIntervalMs) {
  return Math.min(maxIntervalMs, intervalMs * 2 ** Math.min(failures, 30));
}

/**
 * @template Value
 * @param {object} options
 * @param {(signal: AbortSignal) => Promise<Value>} options.ask
 * @param {(value: Value) => void} options.onAnswer
 * @param {(thrown: unknown, nextInMs: number) => void} options.onFailure
 * @param {number} options.intervalMs
 * @param {number} options.maxIntervalMs
 * @param {PollerEnvironment} options.environment
 * @returns {{ start(): void, stop(): void, askNow(): void }}
 */
export function createPoller({ ask, onAnswer, onFailure, intervalMs, maxIntervalMs, environment }) {
  let failures = 0;
  let isStarted = false;
  /** @type {(() => void) | null} */
  let cancelTimer = null;
  /** @type {AbortController | null} */
  let asking = null;

  /** @param {number} delayMs */
  function askIn(delayMs) {
    cancelTimer?.();
    cancelTimer = environment.schedule(() => void askOnce(), delayMs);
  }

  async function askOnce() {
    cancelTimer = null;
    const own = new AbortController();
    asking = own;
    try {
      const value = await ask(own.signal);
      if (own.signal.aborted) return;
      failures = 0;
      onAnswer(value);
    } catch (thrown) {
      if (own.signal.aborted) return;
      failures++;
      onFailure(thrown, pauseMs(failures, intervalMs, maxIntervalMs));
    } finally {
      if (asking === own) asking = null;
    }
    if (!own.signal.aborted) askIn(pauseMs(failures, intervalMs, maxIntervalMs));
  }

  function pause() {
    cancelTimer?.();
    cancelTimer = null;
    asking?.abort();
    asking = null;
  }

  function askNow() {
    if (isStarted && asking === null && !environment.isHidden()) askIn(0);
  }

  environment.onVisibility(() => (environment.isHidden() ? pause() : askNow()));
  return {
    start() {
      isStarted = true;
      askNow();
    },
    stop() {
      isStarted = false;
      pause();
    },
    askNow,
  };
}

/** @returns {PollerEnvironment} */
export function browserEnvironment() {
  return {
    schedule(run, delayMs) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    isHidden: () => document.hidden,
    onVisibility: (run) => document.addEventListener("visibilitychange", run),
  };
}
