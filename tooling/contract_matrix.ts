// Makes test/CONTRACTS.md: how every adapter does in the cases of its port's contract, as the last test runs noted it. Run by
// `npm run test:services` when it has run everything; by itself: deno run -A tooling/contract_matrix.ts
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

export type Outcome =
  | { readonly kind: "passes" }
  | { readonly kind: "fails" }
  /** Its own test file tests what it does instead. */
  | { readonly kind: "deviates"; readonly reason: string };

/** One adapter's run of its contract on one runtime; outcomes by case, in the contract's order. */
export interface ContractRun {
  readonly contract: string;
  readonly adapter: string;
  readonly runtime: "Deno" | "Node";
  readonly outcomes: readonly (readonly [string, Outcome])[];
}

const RUNS = new URL("../.cache/contracts/", import.meta.url);
const MATRIX = new URL("../test/CONTRACTS.md", import.meta.url);

/** The adapters that must have run on both runtimes before a table is made, in the order of the columns. */
export const ADAPTERS: Readonly<Record<string, readonly string[]>> = {
  "vector store": ["LanceDB", "LanceDB with a lexical replica", "Milvus 2.3.5 with a lexical replica", "Milvus Lite 3.2.2"],
  "document store": ["libsql", "MongoDB's protocol (FerretDB 1.24.2)", "the same, as with indexed filters"],
  transport: ["local", "NATS 2.15.1"],
  stream: ["local"],
};

const INTRODUCTION = `# Contracts

Every adapter of a port runs the port's contract suite, on Deno and on Node; this table is made by those runs. An adapter deviates only with a
reason, and its own test file then tests what it does instead.
`;

/** Where a run is noted. */
export function runFile({ contract, adapter, runtime }: Pick<ContractRun, "contract" | "adapter" | "runtime">): URL {
  const name = [contract, adapter, runtime].map((part) => part.replaceAll(/[^A-Za-z0-9.]+/g, "_")).join("-");
  return new URL(`${name}.json`, RUNS);
}

/**
 * The tables as Markdown. Throws an `Error` that names what is missing or failed: a table tells of a whole run or is not made.
 */
export function contractMatrix(runs: readonly ContractRun[]): string {
  const tables = Object.entries(ADAPTERS).map(([contract, adapters]) => {
    const found = adapters.map((adapter) => mergedRuns(contract, adapter, runs));
    return table(contract, adapters, found);
  });
  return [INTRODUCTION, ...tables].join("\n");
}

/** Both runtimes' outcomes as one: the worse of the two. */
function mergedRuns(contract: string, adapter: string, runs: readonly ContractRun[]): ReadonlyMap<string, Outcome> {
  const own = runs.filter((run) => run.contract === contract && run.adapter === adapter);
  const merged = new Map<string, Outcome>();
  for (const runtime of ["Deno", "Node"] as const) {
    const run = own.find((one) => one.runtime === runtime);
    if (run === undefined) throw new Error(`The ${contract} contract was not run for ${adapter} on ${runtime}`);
    for (const [name, outcome] of run.outcomes) {
      if (outcome.kind === "fails") throw new Error(`${adapter} fails on ${runtime}: ${name}`);
      if (merged.get(name)?.kind !== "deviates") merged.set(name, outcome);
    }
  }
  return merged;
}

function table(contract: string, adapters: readonly string[], found: readonly ReadonlyMap<string, Outcome>[]): string {
  const names = [...new Set(found.flatMap((outcomes) => [...outcomes.keys()]))];
  const reasons: string[] = [];
  const cell = (outcome: Outcome | undefined): string => {
    if (outcome === undefined) return "";
    if (outcome.kind !== "deviates") return outcome.kind;
    if (!reasons.includes(outcome.reason)) reasons.push(outcome.reason);
    return `deviates (${reasons.indexOf(outcome.reason) + 1})`;
  };
  const rows = names.map((name) => `| ${escaped(name)} | ${found.map((outcomes) => cell(outcomes.get(name))).join(" | ")} |`);
  const totals = found.map((outcomes) => `${[...outcomes.values()].filter(({ kind }) => kind === "passes").length} of ${outcomes.size}`);
  return [
    `## The ${contract}'s`,
    "",
    `| case | ${adapters.join(" | ")} |`,
    `|---|${adapters.map(() => "---").join("|")}|`,
    ...rows,
    `| passed | ${totals.join(" | ")} |`,
    "",
    ...reasons.map((reason, at) => `${at + 1}. ${reason}`),
    ...(reasons.length > 0 ? [""] : []),
  ].join("\n");
}

const escaped = (text: string) => text.replaceAll("|", "\\|");

function readRuns(): readonly ContractRun[] {
  if (!existsSync(RUNS)) return [];
  return readdirSync(RUNS).map((name) => JSON.parse(readFileSync(new URL(name, RUNS), "utf8")) as ContractRun);
}

/** Writes the file, or says why it was left as it is. */
export function writeContractMatrix(): string {
  try {
    writeFileSync(MATRIX, contractMatrix(readRuns()));
    return "test/CONTRACTS.md was made of these runs";
  } catch (thrown) {
    return `test/CONTRACTS.md was left as it is. ${(thrown as Error).message}`;
  }
}

if (import.meta.main) console.log(writeContractMatrix());
