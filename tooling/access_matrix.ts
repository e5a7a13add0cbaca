// Makes test/ACCESS_MATRIX.md: what the matrix of who asks, what and how has read, as the last test runs noted it. Run by
// `npm run test:services` when it has run everything; by itself: deno run -A tooling/access_matrix.ts
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

export type AccessRun =
  | {
      readonly kind: "matrix";
      readonly transport: "HTTP" | "NATS";
      readonly runtime: "Deno" | "Node";
      /** Answers read, by `mode: way; layer`. */
      readonly rows: readonly (readonly [string, number])[];
      readonly leaks: number;
    }
  | {
      readonly kind: "mutation";
      readonly runtime: "Deno" | "Node";
      /** Of the mutations, from 0. */
      readonly place: number;
      readonly what: string;
      readonly file: string;
      readonly leaks: number;
      readonly first: string;
    };

/** Who sees what, for the table above the runs. */
export interface AccessCase {
  readonly caller: string;
  readonly key: string;
  /** By collection: the documents seen; null: the collection is not the caller's. */
  readonly sees: Readonly<Record<string, readonly string[] | null>>;
}

const RUNS = new URL("../.cache/access/", import.meta.url);
const MATRIX = new URL("../test/ACCESS_MATRIX.md", import.meta.url);
const RUNTIMES = ["Deno", "Node"] as const;
const LAYERS = ["worked out", "at once", "first", "kept"] as const;

const INTRODUCTION = `# Access matrix

Every caller asks every collection by every way, in every mode and out of every cache; each answer is read for words that stand in one document
alone. A word of a document that is not for the caller is a leak; one that is missing is a failure, too. Rows that begin with "writes" are attempts
to replace or end what the caller does not see, by keys that may write; one that succeeds is a leak. This file is made by those runs;
[docs/ACCESS.md](../docs/ACCESS.md) says what is meant.
`;

export function runtimeOfThis(): "Deno" | "Node" {
  return "deno" in process.versions ? "Deno" : "Node";
}

/** Notes a run, in place of the one before it. */
export function noteAccessRun(run: AccessRun): void {
  mkdirSync(RUNS, { recursive: true });
  const name = run.kind === "matrix" ? `matrix-${run.transport}` : `mutation-${run.place}`;
  writeFileSync(new URL(`${name}-${run.runtime}.json`, RUNS), JSON.stringify(run));
}

/** The tables as Markdown. Throws an `Error` that names what is missing or failed: a table tells of a whole run or is not made. */
export function accessMatrix(cases: readonly AccessCase[], runs: readonly AccessRun[]): string {
  const tables = (["HTTP", "NATS"] as const).map((transport) => {
    const own = runs.filter((run) => run.kind === "matrix").filter((run) => run.transport === transport);
    const [run] = own;
    if (run === undefined) throw new Error(`The access matrix was not run over ${transport}`);
    for (const { leaks, runtime } of own) if (leaks > 0) throw new Error(`The access matrix leaks over ${transport} on ${runtime}`);
    return rowsTable(`${transport} (${own.map(({ runtime }) => runtime).join(", ")})`, run.rows);
  });
  return [INTRODUCTION, casesTable(cases), ...tables, mutationsTable(runs)].join("\n");
}

function casesTable(cases: readonly AccessCase[]): string {
  const collections = Object.keys(cases[0]?.sees ?? {});
  const rows = cases.map(({ caller, key, sees }) => {
    const cells = collections.map((name) => {
      const seen = sees[name];
      return seen == null ? "–" : seen.length === 0 ? "none" : seen.join(", ");
    });
    return `| ${caller} | ${key} | ${cells.join(" | ")} |`;
  });
  return [
    "## Who sees what",
    "",
    "Each collection has the same five documents: `open` is for nobody, the others are for whom they are named after; `both` is for ann and bob.",
    "",
    `| caller | key | ${collections.map((name) => `\`${name}\``).join(" | ")} |`,
    `|---|---|${collections.map(() => "---").join("|")}|`,
    ...rows,
    "",
  ].join("\n");
}

function rowsTable(transport: string, rows: readonly (readonly [string, number])[]): string {
  const counts = new Map<string, Map<string, number>>();
  let total = 0;
  for (const [row, count] of rows) {
    const [name = "", layer = "first"] = row.split("; ");
    const own = counts.get(name) ?? new Map<string, number>();
    counts.set(name, own.set(layer, (own.get(layer) ?? 0) + count));
    total += count;
  }
  return [
    `## Answers read over ${transport}: ${total.toLocaleString("en-US")}, of which none leaks`,
    "",
    `| mode: way | ${LAYERS.join(" | ")} |`,
    `|---|${LAYERS.map(() => "--:").join("|")}|`,
    ...[...counts].map(([name, own]) => `| ${name} | ${LAYERS.map((layer) => own.get(layer) ?? "").join(" | ")} |`),
    "",
  ].join("\n");
}

function mutationsTable(runs: readonly AccessRun[]): string {
  const mutations = runs.filter((run) => run.kind === "mutation");
  const places = [...new Set(mutations.map(({ place }) => place))].sort((a, b) => a - b);
  const rows = places.map((place) => {
    const own = RUNTIMES.map((runtime) => mutations.find((one) => one.place === place && one.runtime === runtime));
    for (const run of own) if (run?.leaks === 0) throw new Error(`Mutation ${place} was not found out on ${run.runtime}`);
    const run = own.find((one) => one !== undefined);
    return `| ${run?.what} | \`${run?.file}\` | ${own.map((one) => one?.leaks ?? "not run").join(" | ")} | ${run?.first} |`;
  });
  if (rows.length === 0) throw new Error("No mutation was run");
  return [
    "## Without one line",
    "",
    "The same on copies of the code that each lack one line: leaks found, and the first of them.",
    "",
    "| what was taken out | of | Deno | Node | the first leak |",
    "|---|---|--:|--:|---|",
    ...rows,
    "",
  ].join("\n");
}

function readRuns(): readonly AccessRun[] {
  if (!existsSync(RUNS)) return [];
  return readdirSync(RUNS).map((name) => JSON.parse(readFileSync(new URL(name, RUNS), "utf8")) as AccessRun);
}

/** Writes the file, or says why it was left as it is. */
export async function writeAccessMatrix(): Promise<string> {
  try {
    const { accessCases } = await import("../test/journeys/access_matrix.ts");
    writeFileSync(MATRIX, accessMatrix(accessCases(), readRuns()));
    return "test/ACCESS_MATRIX.md was made of these runs";
  } catch (thrown) {
    return `test/ACCESS_MATRIX.md was left as it is. ${(thrown as Error).message}`;
  }
}

if (import.meta.main) console.log(await writeAccessMatrix());
