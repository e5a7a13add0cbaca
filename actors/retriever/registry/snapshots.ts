import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ResolvedCollection } from "./options.ts";

const SUFFIX = ".snapshot";

/**
 * Where the indexes in memory are saved: `docs.v1.1767225600000.snapshot`, by collection, build and the moment the collection
 * was made, so that one made anew under an old name never meets the old one's. A collection's name has no dot.
 */
export class SnapshotFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  pathOf({ record, version }: ResolvedCollection): string {
    return join(this.#folder, `${record.name}.v${version}.${record.createdAtMs}${SUFFIX}`);
  }

  /** Makes the folder, and removes what no collection needs: drafts that a crash has left, and snapshots of what is gone. */
  async open(resolve: (collection: string) => ResolvedCollection | null): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await this.#removeWhere((name) => {
      const resolved = resolve(name.split(".", 1)[0] ?? "");
      return resolved === null || name !== this.pathOf(resolved).slice(this.#folder.length + 1);
    });
  }

  async remove(collection: string): Promise<void> {
    await this.#removeWhere((name) => name.startsWith(`${collection}.v`));
  }

  async #removeWhere(isUseless: (name: string) => boolean): Promise<void> {
    for (const name of await readdir(this.#folder)) if (isUseless(name)) await rm(join(this.#folder, name), { force: true });
  }
}
