// deno run -A bench/results.ts: makes bench/RESULTS.md of the measurements in bench/out/, as they are, missed bounds included.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Figure, holds } from "./harness/benchmark.ts";
import { format } from "./harness/plot.ts";

interface Written {
  readonly title?: string;
  readonly figures: readonly Figure[];
  readonly notes?: readonly string[];
  /** Names of pictures, without extension. */
  readonly plots?: readonly string[];
  readonly isQuick: boolean;
  readonly machine: {
    readonly at: string;
    /** Load average of a minute before it began. */
    readonly load: number;
    readonly processor: string;
    readonly cores: number;
    readonly system: string;
    readonly runtime: string;
  };
}

const OUT = new URL("./out/", import.meta.url);
/** Where pictures lie that RESULTS.md shows; `out/` is not kept. */
const PLOTS = new URL("./plots/", import.meta.url);

function sectionOf(name: string): string {
  const {
    title = name,
    figures,
    notes = [],
    plots = [],
    isQuick,
    machine,
  } = JSON.parse(readFileSync(new URL(`${name}.json`, OUT), "utf8")) as Written;
  const rows = figures.map((figure) => {
    const bound = figure.bound === null ? "" : `${figure.bound.kind === "at_least" ? "at least" : "at most"} ${format(figure.bound.value)}`;
    return `| ${figure.name} | ${format(figure.value)} ${figure.unit} | ${bound} | ${bound === "" ? "" : holds(figure) ? "yes" : "**no**"} |`;
  });
  const size = isQuick ? "the small run of `--quick`, whose figures say little" : "the full run";
  return [
    `## ${name}`,
    "",
    `${title}. ${notes.join(" ")}`.trim(),
    "",
    `${machine.at.slice(0, 16).replace("T", " ")} UTC, ${machine.cores} cores (${machine.processor}), ${machine.system}, ${machine.runtime}, load ${format(machine.load)} before it began; ${size}.`,
    "",
    "| figure | measured | to reach | reached |",
    "|---|---|---|---|",
    ...rows,
    "",
    ...plots.flatMap((plot) => [pictureOf(plot), ""]),
  ].join("\n");
}

/** Keeps a picture beside the results, and shows it. */
function pictureOf(plot: string): string {
  mkdirSync(PLOTS, { recursive: true });
  copyFileSync(new URL(`${plot}.svg`, OUT), new URL(`${plot}.svg`, PLOTS));
  return `![${plot.replaceAll("_", " ")}](plots/${plot}.svg)`;
}

if (import.meta.main) {
  if (!existsSync(OUT)) throw new Error("There is nothing in bench/out/; run npm run bench first");
  const names = readdirSync(OUT)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
  const head = [
    "# Results",
    "",
    "Measured by `npm run bench` and written by `deno run -A bench/results.ts`, missed bounds included. The machine is shared and noisy, see the load:",
    "the ratios, whose two sides ran in turns in one run, say more than any time. `search` compares Kennel over HTTP with the bare store's calls",
    "in process (same tables, same queries, both branches side by side, fused), and with a server on the same listener that answers fixed bytes.",
    "",
    "Ranking on NPL (11,429 abstracts, 93 judged queries) over HTTP, from `kennel eval npl --strategy all`, with 95 % bootstrap intervals; 2026-11-24:",
    "",
    "| strategy | nDCG@10 | MAP | MRR@10 | recall@100 |",
    "|---|---|---|---|---|",
    "| `vector` | 0.351 [0.301, 0.401] | 0.194 | 0.572 | 0.556 |",
    "| `bm25` | 0.436 [0.383, 0.494] | 0.266 | 0.696 | 0.605 |",
    "| `hybrid` (default) | 0.449 [0.396, 0.507] | 0.277 | 0.718 | 0.631 |",
    "| `parent_document` | 0.449 [0.396, 0.507] | 0.277 | 0.718 | 0.631 |",
    "",
    "An abstract is one chunk and its own parent, so `parent_document` ranks as `hybrid` does.",
    "",
  ];
  writeFileSync(fileURLToPath(new URL("./RESULTS.md", import.meta.url)), [...head, ...names.map(sectionOf)].join("\n"));
}
