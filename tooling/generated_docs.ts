// npm run docs: writes the parts of the documentation, and the dashboards, that are made from the code. `npm run check` fails when they are out of date.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { allSettingsTables, everydaySettingsTable } from "../config/print.ts";
import { ERROR_TABLE } from "../runtime/errors.ts";
import { apiReference } from "./api_reference.ts";
import { ROOT } from "./command.ts";
import { DASHBOARDS } from "./dashboards/dashboards.ts";
import { toGrafana } from "./dashboards/grafana.ts";
import { dependencyList } from "./dependency_list.ts";

/** A part of a Markdown file between `<!-- begin NAME -->` and `<!-- end NAME -->`. */
export interface GeneratedPart {
  readonly file: string;
  readonly name: string;
  render(): string;
}

/** A file that is made as a whole. */
export interface GeneratedFile {
  readonly file: string;
  render(): string;
}

export const FILES: readonly GeneratedFile[] = [
  ...DASHBOARDS.map((dashboard) => ({
    file: `k8s/chart/monitoring/dashboards/${dashboard.uid}.json`,
    render: () => `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`,
  })),
  { file: "docs/API.md", render: apiReference },
  { file: "docs/DEPENDENCIES.md", render: dependencyList },
];

export const PARTS: readonly GeneratedPart[] = [
  { file: "README.md", name: "settings", render: everydaySettingsTable },
  { file: "config/SETTINGS.md", name: "all settings", render: allSettingsTables },
  { file: "README.md", name: "errors", render: errorTable },
];

function errorTable(): string {
  const rows = Object.entries(ERROR_TABLE).map(
    ([code, row]) => `| \`${code}\` | ${row.http} | ${row.retryable ? "yes" : "no"} | ${row.say} |`,
  );
  return ["| code | HTTP | retry | means |", "|---|---|---|---|", ...rows, ""].join("\n");
}

/** The text with the part made anew. @throws Error when the text has no place for it */
export function withPart(text: string, part: GeneratedPart): string {
  const begin = `<!-- begin ${part.name} -->\n`;
  const end = `<!-- end ${part.name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`${part.file} has no place for "${part.name}": ${begin.trim()} … ${end}`);
  return text.slice(0, from + begin.length) + part.render() + text.slice(to);
}

/** One line for each part and file that is not what the code makes. */
export function staleDocuments(): readonly string[] {
  const files = FILES.flatMap(({ file, render }) => {
    const path = join(ROOT, file);
    return existsSync(path) && readFileSync(path, "utf8") === render() ? [] : [`${file} is not what the code says; run: npm run docs`];
  });
  return PARTS.flatMap((part) => {
    const text = readFileSync(join(ROOT, part.file), "utf8");
    return withPart(text, part) === text ? [] : [`${part.file}: "${part.name}" is not what the code says; run: npm run docs`];
  }).concat(files);
}

if (import.meta.main) {
  for (const { file, render } of FILES) writeFileSync(join(ROOT, file), render());
  for (const part of PARTS) {
    const path = join(ROOT, part.file);
    writeFileSync(path, withPart(readFileSync(path, "utf8"), part));
  }
}
