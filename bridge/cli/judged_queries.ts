import { readFile } from "node:fs/promises";
import type { Judgements } from "../../actors/retriever/evaluation/metrics.ts";
import { CommandError, EXIT } from "./terminal.ts";

export interface JudgedQuery {
  readonly id: string;
  readonly text: string;
  readonly judgements: Judgements;
}

/**
 * Queries (JSON lines of `_id` and `text`) with their judgements (query id, document id, grade, tabs between; a head line
 * may be there), in the order of the queries' file. Queries that nobody judged are left out: they prove nothing.
 * @throws CommandError naming file and line
 */
export async function readJudgedQueries(queriesFile: string, qrelsFile: string): Promise<readonly JudgedQuery[]> {
  const judgements = parseJudgements(await read(qrelsFile), qrelsFile);
  const queries = parseQueries(await read(queriesFile), queriesFile);
  const judged = queries.flatMap(({ id, text }): readonly JudgedQuery[] => {
    const grades = judgements.get(id);
    return grades === undefined ? [] : [{ id, text, judgements: grades }];
  });
  if (judged.length === 0) throw new CommandError(`No query of ${queriesFile} has a judgement in ${qrelsFile}`, EXIT.misused);
  return judged;
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CommandError(`Cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`, EXIT.misused, {
      cause: error,
    });
  }
}

function parseQueries(content: string, file: string): readonly { readonly id: string; readonly text: string }[] {
  return linesOf(content).map(({ line, number }) => {
    const value = parseJson(line) as { _id?: unknown; id?: unknown; text?: unknown } | null;
    const id = value?._id ?? value?.id;
    if (typeof id !== "string" || typeof value?.text !== "string") {
      throw new CommandError(`${file}:${number}: expected {"_id": "…", "text": "…"}`, EXIT.misused);
    }
    return { id, text: value.text };
  });
}

function parseJudgements(content: string, file: string): ReadonlyMap<string, Judgements> {
  const judgements = new Map<string, Map<string, number>>();
  for (const { line, number } of linesOf(content)) {
    const [query, document, grade, ...rest] = line.split("\t");
    const isHead = number === 1 && grade !== undefined && !/^\d+$/.test(grade.trim());
    if (isHead) continue;
    if (query === undefined || document === undefined || grade === undefined || rest.length > 0 || !/^\d+$/.test(grade.trim())) {
      throw new CommandError(`${file}:${number}: expected query id, document id and a whole grade, with tabs between`, EXIT.misused);
    }
    const known = judgements.get(query) ?? new Map<string, number>();
    known.set(document, Number(grade));
    judgements.set(query, known);
  }
  return judgements;
}

function linesOf(content: string): readonly { readonly line: string; readonly number: number }[] {
  return content
    .split(/\r?\n/)
    .map((line, at) => ({ line, number: at + 1 }))
    .filter(({ line }) => line.trim() !== "");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // said by the caller, with file and line
  }
}
