import type { z } from "zod";
import type { WeightedStrategy } from "../../actors/retriever/search.ts";
import { type hitSchema, searchAnswerSchema } from "../schema/search.ts";
import { acrossAnswerSchema } from "../schema/search_across.ts";
import { collectionPath } from "./client.ts";
import type { CommandContext } from "./context.ts";

export interface SearchOptions {
  readonly strategy?: string;
  readonly ensemble?: readonly WeightedStrategy[];
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
    ...(options.ensemble === undefined ? {} : { strategy: "ensemble", strategies: options.ensemble }),
    ...(options.filter === undefined ? {} : { filters: options.filter }),
  };
  if (collection.includes(",")) return searchSeveral({ client, terminal, signal }, collection.split(","), value, options.json);
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

async function searchSeveral(
  { client, terminal, signal }: Pick<CommandContext, "client" | "terminal" | "signal">,
  collections: readonly string[],
  value: object,
  asJson: boolean,
): Promise<number> {
  const body = { kind: "json", value: { collections, ...value } } as const;
  const answer = await client.request("POST", "/v1/search", acrossAnswerSchema, { body, signal });
  if (asJson) {
    terminal.out(JSON.stringify(answer));
    return 0;
  }
  for (const [index, hit] of answer.data.entries()) {
    const named = { ...hit, document_id: `${hit.collection}/${hit.document_id}` };
    terminal.out(describeHit(index + 1, named, terminal.columns));
  }
  for (const { collection, stage, reason, service } of answer.degradations)
    terminal.err(`${collection} without ${stage}: ${service} is ${reason}`);
  terminal.err(
    `${answer.data.length} hits of ${answer.collections.length} collections, ${answer.timings_ms.total.toFixed(1)} ms, mode ${answer.mode}`,
  );
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
