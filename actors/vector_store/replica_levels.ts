import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { IndexName } from "./vector_store.ts";

/**
 * Up to which version of its collection's index each replica holds what the store does; one small file for each.
 * Invariants:
 *   V1. A file is gone before what it speaks of is changed, and is written when the change has a version: a crash in between
 *       leaves none, and none means that nothing is known.
 *   V2. What is done about one index is done in the order in which it was asked for.
 */
export class ReplicaLevels {
  readonly #folder: string;
  readonly #queues = new Map<string, Promise<unknown>>();

  /** @param folder is made when it is first needed */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Null: it is not known. */
  read(index: IndexName): Promise<number | null> {
    return this.#inOrder(index, async (path) => {
      const text = await readFile(path, "utf8").catch(unlessMissing);
      return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
    });
  }

  put(index: IndexName, indexVersion: number): Promise<void> {
    return this.#inOrder(index, async (path) => {
      await mkdir(this.#folder, { recursive: true });
      await writeFile(`${path}.draft`, String(indexVersion));
      await rename(`${path}.draft`, path);
    });
  }

  clear(index: IndexName): Promise<void> {
    return this.#inOrder(index, (path) => rm(path, { force: true }));
  }

  /** V2 */
  async #inOrder<Result>({ collection, version }: IndexName, work: (path: string) => Promise<Result>): Promise<Result> {
    const name = `${collection}.v${version}`;
    const before = this.#queues.get(name) ?? Promise.resolve();
    const turn = before.then(() => work(join(this.#folder, name)));
    const tail = turn.catch(() => undefined);
    this.#queues.set(name, tail);
    try {
      return await turn;
    } finally {
      if (this.#queues.get(name) === tail) this.#queues.delete(name);
    }
  }
}

function unlessMissing(thrown: unknown): null {
  if ((thrown as { readonly code?: unknown }).code === "ENOENT") return null;
  throw thrown;
}
