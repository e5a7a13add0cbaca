import { readFile } from "node:fs/promises";
import type { Random } from "../../runtime/random.ts";
import { seededRandom } from "../../runtime/random.ts";

export interface BenchDocument {
  readonly id: string;
  readonly text: string;
}

const NPL_CORPUS = new URL("../../test/data/npl/corpus.jsonl", import.meta.url);

/** The 11,429 abstracts of NPL, or the first `limit` of them. */
export async function nplDocuments(limit = Number.POSITIVE_INFINITY): Promise<BenchDocument[]> {
  const lines = (await readFile(NPL_CORPUS, "utf8")).trimEnd().split("\n");
  return lines.slice(0, limit).map((line) => {
    const { _id, text } = JSON.parse(line) as { _id: string; text: string };
    return { id: _id, text };
  });
}

/**
 * As many documents as wanted: NPL itself, then abstracts joined from the beginning of one and the end of another, so that
 * words keep their company and their frequencies. The same every time.
 */
export function recombine(documents: readonly BenchDocument[], count: number): BenchDocument[] {
  const random = seededRandom(7);
  const words = documents.map(({ text }) => text.split(" "));
  const made = documents.slice(0, count);
  while (made.length < count) {
    const [head, tail] = [pick(words, random), pick(words, random)];
    const text = [...head.slice(0, Math.ceil(head.length * random.next())), ...tail.slice(Math.floor(tail.length * random.next()))].join(
      " ",
    );
    made.push({ id: `made-${made.length}`, text });
  }
  return made;
}

/** Different queries of 5 to 11 words in a row, taken from the documents. */
export function loadQueries(documents: readonly BenchDocument[], count: number, seed = 11): string[] {
  const random = seededRandom(seed);
  const queries = new Set<string>();
  for (let tries = 0; queries.size < count && tries < count * 20; tries += 1) {
    const words = pick(documents, random).text.split(" ");
    const length = 5 + Math.floor(random.next() * 7);
    const start = Math.floor(random.next() * Math.max(1, words.length - length));
    queries.add(words.slice(start, start + length).join(" "));
  }
  return [...queries];
}

function pick<Item>(items: readonly Item[], random: Random): Item {
  return items[Math.floor(random.next() * items.length)] as Item;
}
