import type { z } from "zod";
import { type hitSchema, searchAnswerSchema } from "../schema/search.ts";
import { collectionPath } from "./client.ts";
import type { CommandContext } from "./command_line.ts";

export interface SearchOptions {
  readonly strategy?: string;
  readonly topK: number;
  readonly filter?: unknown;
  readonly json: boolean;
}

const MAX_PASSAGE_LINES = 4;

/** Prints hits as people read them, or the answer as the API gives it. */
export async function search(
  { client, terminal, signal }: CommandContext,
  collection: string,
  query: string,
  options: SearchOptions,
): Promise<number> {
  const value = {
    query,
    top_k: options.topK,
    ...(options.strategy === undefined ? {} : { strategy: options.strategy }),
    ...(options.filter === undefined ? {} : { filters: options.filter }),
  };
  const answer = await client.request("POST", `${collectionPath(collection)}/search`, searchAnswerSchema, {
    body: { kind: "json", value },
    signal,
  });
  if (options.json) {
    terminal.out(JSON.stringify(answer));
    return 0;
  }
  for (const [index, hit] of answer.data.entries()) terminal.out(describeHit(index + 1, hit, terminal.columns));
  for (const { stage, reason, service } of answer.degradations) terminal.err(`Without ${stage}: ${service} is ${reason}`);
  const count = answer.data.length === 1 ? "1 hit" : `${answer.data.length} hits`;
  terminal.err(`${count}, ${answer.timings_ms.total?.toFixed(1) ?? "?"} ms, mode ${answer.mode}, cache ${answer.cache}`);
  return 0;
}

function describeHit(rank: number, hit: z.output<typeof hitSchema>, columns: number): string {
  const name = hit.title === "" ? hit.document_id : `${hit.title}  (${hit.document_id})`;
  const branches = Object.entries(hit.scores ?? {})
    .filter(([branch]) => branch !== "fused")
    .map(([branch, score]) => `${branch} ${score.toFixed(3)}${hit.ranks?.[branch] === undefined ? "" : ` (rank ${hit.ranks[branch]})`}`);
  const origin = [branches.join(", "), hit.url].filter((part) => part !== "").join("  ");
  return [
    `${String(rank).padStart(2)}  ${hit.score.toFixed(3)}  ${name}`,
    ...wrap(hit.text ?? "", Math.max(40, columns - 4), MAX_PASSAGE_LINES).map((line) => `    ${line}`),
    ...(origin === "" ? [] : [`    ${origin}`]),
    "",
  ].join("\n");
}

/** Words in lines of at most `width` characters; what does not fit into `maxLines` ends in an ellipsis. */
export function wrap(text: string, width: number, maxLines: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
      if (lines.length === maxLines) break;
    }
    line = line === "" ? word.slice(0, width) : `${line} ${word}`;
  }
  if (lines.length < maxLines) return line === "" ? lines : [...lines, line];
  return line === "" && lines.join(" ").length >= text.trim().length
    ? lines
    : [...lines.slice(0, -1), `${(lines.at(-1) ?? "").slice(0, width - 2)} …`];
}
