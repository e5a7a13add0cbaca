import { parseJson } from "../bridge/http/body.ts";
import { MAX_JSON_DEPTH } from "../bridge/http/exchange.ts";
import { parseSearch } from "../bridge/schema/search.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { systemClock } from "../runtime/clock.ts";
import { systemRandom } from "../runtime/random.ts";
import type { Asks, Behavior, Outcome, PendingAsk } from "../supervisor/kernel/behavior.ts";
import { createSupervisor } from "../supervisor/supervisor.ts";
import { createLogger } from "../telemetry/logs.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import type { BenchContext } from "./harness/benchmark.ts";
import { median } from "./harness/statistics.ts";

/** What one safeguard adds to a request, in processor time, in the runtime that the servers of the run are in. */
export interface Cost {
  readonly name: string;
  readonly microseconds: number;
  /** False: what a request would pay under another setting. */
  readonly isPartOfRequest: boolean;
}

interface Case {
  readonly name: string;
  readonly isPartOfRequest: boolean;
  readonly guarded: () => unknown;
  /** The same without the safeguard; null: it would be nothing. */
  readonly bare: (() => unknown) | null;
}

const BODY = new TextEncoder().encode(JSON.stringify({ query: "electron beam focusing in a travelling wave tube" }));
const PHASES = { queue: 0.05, embed: 0.02, vector: 0.2, bm25: 0.05, fuse: 0.03, fetch: 0.01, encode: 0.02, total: 0.4 };
const TIMEOUT_MS = 10_000;
const never = new AbortController().signal;

/**
 * Each safeguard by itself, many times in a row, beside the same step without it; medians over interleaved rounds. The log's
 * lines are formatted and go nowhere.
 */
export async function measureCosts(context: BenchContext): Promise<readonly Cost[]> {
  const config = defaults(context.workFolder);
  const mailbox = await openMailbox(config, context.signal);
  try {
    const metrics = createMetrics({ version: "bench", runtime: "bench", ...config.metrics });
    const cases: readonly Case[] = [mailbox.mailbox, checks(), search(metrics), ...logs()];
    const rounds: number[][] = cases.map(() => []);
    for (let round = 0; round <= (context.isQuick ? 3 : 9); round += 1) {
      for (const [place, { guarded, bare }] of cases.entries()) {
        context.progress(`what ${cases[place]?.name} costs, round ${round}`);
        const times = context.isQuick ? 1_000 : 20_000;
        const cost = (await microseconds(guarded, times)) - (bare === null ? 0 : await microseconds(bare, times));
        if (round > 0) rounds[place]?.push(cost); // the first one warms
      }
    }
    return cases.map(({ name, isPartOfRequest }, place) => ({ name, isPartOfRequest, microseconds: median(rounds[place] ?? []) }));
  } finally {
    await mailbox.stop();
  }
}

function defaults(folder: string): Config {
  return loadConfig({
    environment: { KENNEL_PROFILE: "test", KENNEL_DATA_DIR: folder },
    readFile: () => null,
    hostName: () => "bench",
    workingFolder: folder,
  });
}

type Message =
  | (Asks<object> & { readonly kind: "search" })
  | { readonly kind: "ended"; readonly ask: PendingAsk; readonly outcome: Outcome<object> };

const ANSWER = {};
const work = async (): Promise<object> => ANSWER;

/** As the retriever does it: an ask with a deadline and a signal, work beside the mailbox, its outcome back as a message. */
function behavior(): Behavior<null, Message> {
  return {
    start: () => null,
    receive(state, message, context) {
      const ask = context.pendingAsk;
      if (message.kind === "ended") message.ask.reply(message.outcome.ok ? message.outcome.value : ANSWER);
      else if (ask !== null) context.pipe(work, (outcome) => ({ kind: "ended", ask, outcome }), ask);
      return state;
    },
  };
}

async function openMailbox(config: Config, signal: AbortSignal): Promise<{ readonly mailbox: Case; stop(): Promise<unknown> }> {
  const logger = createLogger({ level: "silent", node: "bench" });
  const supervisor = createSupervisor({ name: "bench", clock: systemClock(), random: systemRandom(), logger });
  const child = supervisor.spawn({ name: "retriever", kind: "retriever", limits: config.supervision.retriever, behavior });
  await child.whenReady(signal);
  const mailbox: Case = {
    name: "mailbox (bounded, with deadline and signal) instead of a call",
    isPartOfRequest: true,
    guarded: () => child.ask<object>({ kind: "search" }, { timeoutMs: TIMEOUT_MS, signal: never }),
    bare: work,
  };
  return { mailbox, stop: () => supervisor.stop({ reason: "the benchmark has ended", limitMs: 1_000 }) };
}

function checks(): Case {
  const decoder = new TextDecoder();
  return {
    name: "checks of the body instead of JSON.parse alone",
    isPartOfRequest: true,
    guarded: () => parseSearch(parseJson(BODY, MAX_JSON_DEPTH, "")).toRequest("npl", {}, false),
    bare: () => JSON.parse(decoder.decode(BODY)),
  };
}

function search({ http, search: searches }: Metrics): Case {
  return {
    name: "metrics",
    isPartOfRequest: true,
    guarded() {
      http.inFlight(1);
      searches.answered({ collection: "npl", mode: "full", cache: "off", strategy: "hybrid", timingsMs: PHASES });
      http.answered({ route: "/v1/collections/{collection}/search", method: "POST", status: 200, durationMs: 0.4, trace: null });
      http.inFlight(-1);
    },
    bare: null,
  };
}

function logs(): readonly Case[] {
  const nowhere = { write: () => undefined };
  const line = (level: "info" | "debug") => {
    const logger = createLogger({ level, node: "bench" }, nowhere);
    const fields = { requestId: "0123456789abcdef", route: "/v1/collections/{collection}/search", method: "POST", status: 200, ms: 0.4 };
    return () => {
      if (logger.isLevelEnabled("debug")) logger.debug(fields, "Answered");
    };
  };
  return [
    { name: "log at its usual level, which writes no line for a good answer", isPartOfRequest: true, guarded: line("info"), bare: null },
    { name: "log at level debug, one line", isPartOfRequest: false, guarded: line("debug"), bare: null },
  ];
}

/** Processor time of this process for one of `times` steps in a row. */
async function microseconds(step: () => unknown, times: number): Promise<number> {
  const before = process.cpuUsage();
  for (let time = 0; time < times; time += 1) {
    const result = step();
    if (result instanceof Promise) await result;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}
