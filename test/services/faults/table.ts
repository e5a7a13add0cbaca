import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ServiceName } from "./cases.ts";
import type { Observation } from "./observe.ts";

export interface Row extends Observation {
  readonly service: ServiceName;
  readonly fault: string;
}

const PATH = fileURLToPath(new URL("../FAULTS.md", import.meta.url));
const TITLES: Readonly<Record<ServiceName, string>> = {
  milvus: "Milvus 2.3.5",
  mongodb: "MongoDB's protocol (FerretDB 1.24.2)",
  redis: "Redis",
  provider: "The embeddings' provider (OpenAI's protocol)",
};

/** Columns of what happened; a run that finds another content has found a change. */
const OUTCOMES = [
  ["Fault", "fault"],
  ["At first", "first"],
  ["Search, in the store", "search"],
  ["Search, in memory", "inMemory"],
  ["Read", "read"],
  ["Write", "write"],
  ["Its breaker", "breaker"],
  ["Others noticed", "others"],
  ["Lost", "lost"],
] as const satisfies readonly (readonly [string, keyof Row])[];
/** Columns of how long it took, which differs from run to run. */
const TIMES = [
  ["Slowest answer", "slowestMs"],
  ["Well again", "backMs"],
] as const satisfies readonly (readonly [string, keyof Row])[];

const HEAD = `# What a fault of one service does to the others

Written by \`test/services/faults/observe_faults.ts\`: one node with all its services as real servers, each behind a TCP proxy that
delays, holds, refuses, resets and cuts; the provider is a server of the tests that speaks OpenAI's protocol. A run that
comes to other outcomes than these fails, and writes its own with \`TEST_WRITE_FAULTS=1\`. The times are of the run that
wrote the table, on two busy cores, and are not compared. The table is of Node 24: Deno 2.9.6 aborts inside nghttp2 when a
Milvus that was paused with SIGSTOP says goodbye (denoland/deno#36788). \`test/services/faults/faults_test.ts\` compares a part
of it on both runtimes in every run of \`npm run test:services\`.

Each fault begins on a healthy node and ends on one. Every request has a deadline, 2 s and for documents that are sent 5 s,
and every answer is checked to come within it and a margin of 1 s for the way.

- **At first** are requests that need the service, until its breaker has opened, or for 4 s where it does not: searches in the
  store; of the document store reading a document. "503 or 504" is whichever comes first, the breaker or the deadline: of
  a Milvus that hangs it is the passages that are waited for, which are asked of the replica once the breaker is open.
- **Search** (with its mode), **Read** and **Write** (a document) are asked from then on, while the breaker is open or half open.
  A search in the store has the strategy \`parent_document\`, so that it needs all of the services. "Without" are the stages in
  \`degradations\`; such a search with \`allow_degraded: false\` is checked to be answered by 503 \`degraded\`.
- **Others noticed**: states, breakers, incarnations and crashes of every other actor in \`/v1/status\`, during and after.
- **Lost**: documents that were acknowledged (202) before and during the fault are checked to be found afterwards: read by id,
  by their vector and by their words.

Breakers judge sooner here than by default: 4 calls, probes each 200 ms that may take 1.5 s, suspensions of 100 to 400 ms.
"A long while" is 4 s, or as many as \`TEST_LONG_OUTAGE_S\` says; 60 gives the same outcomes.
`;

export interface Comparison {
  /** What this run found differently from the table, one line a row. */
  readonly differences: readonly string[];
  /** Writes the table as this run has found it. */
  write(): void;
}

export function compareWithTable(rows: readonly Row[]): Comparison {
  const written = existsSync(PATH) ? readFileSync(PATH, "utf8") : "";
  const known = outcomesByTitle(written);
  const found = rows.map((row) => ({ title: TITLES[row.service], line: outcomesOf(lineOf(row)) }));
  const differences = found.filter(({ title, line }) => !known.get(title)?.has(line)).map(({ title, line }) => `${title} ${line}`);
  return { differences, write: () => writeFileSync(PATH, render(rows)) };
}

function outcomesByTitle(table: string): ReadonlyMap<string, ReadonlySet<string>> {
  const sections = table.split("\n## ").slice(1);
  return new Map(
    sections.map((section) => {
      const [title = "", ...lines] = section.split("\n");
      return [title, new Set(lines.filter((line) => line.startsWith("|")).map(outcomesOf))];
    }),
  );
}

function render(rows: readonly Row[]): string {
  const sections = (Object.keys(TITLES) as ServiceName[]).map((service) => {
    const titles = [...OUTCOMES, ...TIMES].map(([title]) => title);
    const lines = rows.filter((row) => row.service === service).map(lineOf);
    return [`## ${TITLES[service]}`, "", cells(titles), cells(titles.map(() => "---")), ...lines, ""].join("\n");
  });
  return [HEAD, ...sections].join("\n");
}

function lineOf(row: Row): string {
  return cells([...OUTCOMES.map(([, key]) => row[key]), ...TIMES.map(([, key]) => range(row[key]))]);
}

function cells(texts: readonly string[]): string {
  return `| ${texts.join(" | ")} |`;
}

/** A line of the table without its times. */
function outcomesOf(line: string): string {
  return line.split(" | ").slice(0, OUTCOMES.length).join(" | ");
}

/** The next of a few bounds. */
function range(ms: number): string {
  const bound = [500, 1_000, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000].find((limit) => ms < limit);
  return bound === undefined ? "> 60 s" : `< ${bound / 1_000} s`;
}
