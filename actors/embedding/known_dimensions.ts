import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";

/**
 * How long the vectors of models are whose providers alone know it: found by a first call and kept in a file, so that
 * collections can be opened while the provider is away.
 */
export class KnownDimensions {
  readonly #path: string;
  readonly #known: Map<string, number>;

  /** A file that is missing or cannot be read says nothing: a call finds it out again. */
  constructor(path: string) {
    this.#path = path;
    this.#known = new Map(readEntries(path));
  }

  get(model: string): number | null {
    return this.#known.get(model) ?? null;
  }

  /** Rejects when the file cannot be written; what was learnt holds nevertheless. */
  async learn(model: string, dimensions: number): Promise<void> {
    this.#known.set(model, dimensions);
    const draft = `${this.#path}.draft`;
    await writeFile(draft, `${JSON.stringify(Object.fromEntries(this.#known), null, 2)}\n`);
    await rename(draft, this.#path);
  }
}

function readEntries(path: string): [string, number][] {
  try {
    const entries = Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>);
    return entries.filter((entry): entry is [string, number] => Number.isInteger(entry[1]) && (entry[1] as number) > 0);
  } catch {
    return [];
  }
}
