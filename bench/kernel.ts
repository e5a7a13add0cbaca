import { createRequire } from "node:module";
import { systemClock } from "../runtime/clock.ts";
import { systemRandom } from "../runtime/random.ts";
import type { ChildLimits } from "../supervisor/child.ts";
import type { Asks, Behavior } from "../supervisor/kernel/behavior.ts";
import type { SupervisedChild } from "../supervisor/supervised_child.ts";
import { createSupervisor } from "../supervisor/supervisor.ts";
import { createLogger } from "../telemetry/logs.ts";

/**
 * Tells and asks of a supervised child, all bounds on, beside bare nact's `dispatch` and `query`. The rounds of both are
 * interleaved, so that a busy machine slows both; ratios are medians over rounds.
 */
export interface KernelBenchOptions {
  readonly rounds: number;
  /** Time of one measurement. */
  readonly durationMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

export interface KernelCase {
  readonly name: string;
  /** Messages a second, medians over the rounds. */
  readonly kernelPerSecond: number;
  readonly nactPerSecond: number;
  /** Median over the rounds of kernel / nact. */
  readonly ratio: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
}

type Ping = Asks<number> & { readonly kind: "ping" };

/** One side of a case: sends for `durationMs`, returns messages a second. */
type Measure = (durationMs: number) => Promise<number>;

const PING: Ping = { kind: "ping" };
const TIMEOUT_MS = 10_000;
/** Tells that are sent before the sender waits for the last to be handled; below the mailbox capacity. */
const TELLS_IN_A_ROW = 500;

// The defaults of the configuration, and no probes in between.
const LIMITS: ChildLimits = {
  mailboxCapacity: 1_000,
  maxInFlight: 32,
  restartIntensity: 5,
  restartPeriodMs: 30_000,
  windowMs: 10_000,
  minCalls: 20,
  maxFailureRatio: 0.5,
  slowCallMs: 5_000,
  maxSlowRatio: 0.8,
  backoffMs: 500,
  maxBackoffMs: 30_000,
  probeTimeoutMs: 2_000,
  probeIntervalMs: 0,
  maxFailedProbes: 3,
  startTimeoutMs: 15_000,
  stopGraceMs: 5_000,
  stopLimitMs: 10_000,
};

export async function benchKernel(options: KernelBenchOptions): Promise<readonly KernelCase[]> {
  const logger = createLogger({ level: "silent", node: "bench" });
  const supervisor = createSupervisor({ name: "bench", clock: systemClock(), random: systemRandom(), logger });
  const child = supervisor.spawn({ name: "counter", kind: "counter", limits: LIMITS, behavior: counter });
  const nact = bareNact();
  try {
    await child.whenReady(options.signal);
    const cases: readonly { readonly name: string; readonly kernel: Measure; readonly nact: Measure }[] = [
      ...[1, 16, 64].map((concurrency) => ({
        name: `ask, ${concurrency} at once`,
        kernel: asksOf(child, concurrency),
        nact: rateOf(concurrency, () => nact.query()),
      })),
      {
        name: "ask with a signal, 16 at once",
        kernel: rateOf(16, () => child.ask<number>(PING, { timeoutMs: TIMEOUT_MS, signal: options.signal })),
        nact: rateOf(16, () => nact.query()),
      },
      { name: `tell, ${TELLS_IN_A_ROW} in a row`, kernel: tellsOf(child), nact: rateOf(1, () => nact.dispatchMany(), TELLS_IN_A_ROW) },
    ];
    return await interleave(cases, options);
  } finally {
    nact.stop();
    await supervisor.stop({ reason: "end of the benchmark", limitMs: 1_000 });
  }
}

async function interleave(
  cases: readonly { readonly name: string; readonly kernel: Measure; readonly nact: Measure }[],
  options: KernelBenchOptions,
): Promise<readonly KernelCase[]> {
  const rates = cases.map(() => ({ kernel: [] as number[], nact: [] as number[] }));
  // The first round warms up and is thrown away.
  for (let round = 0; round <= options.rounds; round++) {
    for (const [index, { kernel, nact }] of cases.entries()) {
      options.signal.throwIfAborted();
      const ofCase = rates[index];
      const kernelRate = await kernel(options.durationMs);
      const nactRate = await nact(options.durationMs);
      if (round > 0) {
        ofCase?.kernel.push(kernelRate);
        ofCase?.nact.push(nactRate);
      }
      options.onProgress(round * cases.length + index + 1, (options.rounds + 1) * cases.length);
    }
  }
  return cases.map(({ name }, index) => summary(name, rates[index]?.kernel ?? [], rates[index]?.nact ?? []));
}

function summary(name: string, kernel: readonly number[], nact: readonly number[]): KernelCase {
  const ratios = kernel.map((rate, round) => rate / (nact[round] ?? Number.NaN));
  return {
    name,
    kernelPerSecond: Math.round(median(kernel)),
    nactPerSecond: Math.round(median(nact)),
    ratio: hundredths(median(ratios)),
    ratioMin: hundredths(Math.min(...ratios)),
    ratioMax: hundredths(Math.max(...ratios)),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Counts its messages; an ask is answered with the count. */
function counter(): Behavior<number, Ping> {
  return {
    start: () => 0,
    receive(count, _message, context) {
      context.pendingAsk?.reply(count);
      return count + 1;
    },
  };
}

function asksOf(child: SupervisedChild<number, Ping>, concurrency: number): Measure {
  return rateOf(concurrency, () => child.ask<number>(PING, { timeoutMs: TIMEOUT_MS }));
}

function tellsOf(child: SupervisedChild<number, Ping>): Measure {
  const send = async () => {
    for (let tell = 1; tell < TELLS_IN_A_ROW; tell++) child.tell(PING);
    await child.ask<number>(PING, { timeoutMs: TIMEOUT_MS });
  };
  return rateOf(1, send, TELLS_IN_A_ROW);
}

/** `concurrency` senders, each sending its next when its last was answered. */
function rateOf(concurrency: number, send: () => Promise<unknown>, messages = 1): Measure {
  return async (durationMs) => {
    const startMs = performance.now();
    let sent = 0;
    const sender = async () => {
      while (performance.now() - startMs < durationMs) {
        await send();
        sent += messages;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, sender));
    return (sent / (performance.now() - startMs)) * 1000;
  };
}

interface NactReference {
  readonly path: object;
}

interface NactPing {
  readonly sender?: NactReference;
}

interface Nact {
  start(): NactReference;
  spawn(parent: NactReference, receive: (count: number | undefined, message: NactPing) => number, name: string): NactReference;
  dispatch(actor: NactReference, message: unknown): void;
  query(actor: NactReference, message: (sender: NactReference) => NactPing, timeoutMs: number): Promise<unknown>;
  stop(actor: NactReference): void;
}

/** The same counter on nact alone: no bounds, no answer after a crash. */
function bareNact() {
  const require = createRequire(import.meta.url);
  const nact = require("nact") as Nact;
  const system = nact.start();
  const receive = (count: number | undefined, message: NactPing): number => {
    if (message.sender !== undefined) nact.dispatch(message.sender, count ?? 0);
    return (count ?? 0) + 1;
  };
  const actor = nact.spawn(system, receive, "counter");
  const query = () => nact.query(actor, (sender) => ({ sender }), TIMEOUT_MS);
  return {
    query,
    async dispatchMany() {
      for (let tell = 1; tell < TELLS_IN_A_ROW; tell++) nact.dispatch(actor, {});
      await query();
    },
    stop: () => nact.stop(system),
  };
}

if (import.meta.main) {
  const cases = await benchKernel({ rounds: 7, durationMs: 300, signal: new AbortController().signal, onProgress: () => {} });
  for (const { name, kernelPerSecond, nactPerSecond, ratio, ratioMin, ratioMax } of cases) {
    process.stdout.write(`${name}: ${kernelPerSecond}/s beside ${nactPerSecond}/s of bare nact, ${ratio} (${ratioMin} to ${ratioMax})\n`);
  }
}
