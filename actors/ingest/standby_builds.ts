import { kennelError } from "../../runtime/errors.ts";
import type { CollectionRecord } from "../document_store/collection_record.ts";
import { notSwitchable } from "../document_store/rules.ts";
import { type Build, type IndexBuilds, standbyOf } from "./index_builds.ts";
import type { IndexingParts } from "./indexing.ts";

/** Complete builds beside the active one: every change goes to them as well, so that a switch loses nothing. */
export class StandbyBuilds {
  readonly #parts: IndexingParts;
  readonly #builds: IndexBuilds;

  constructor(parts: IndexingParts, builds: IndexBuilds) {
    this.#parts = parts;
    this.#builds = builds;
  }

  /**
   * Makes the build that is kept up the active one, and the active one the build that is kept up: every change went to
   * both, so nothing is lost on the way, nor on the way back.
   * @param version null: whichever is kept up
   */
  async switchTo(collection: string, version: number | null, keepUntilMs: number | null, signal: AbortSignal): Promise<CollectionRecord> {
    const { documents, catalog, modelOf, onIndexChanged } = this.#parts;
    const record = await catalog.refresh(collection, signal);
    if (record === null) throw kennelError("not_found", { param: "collection", message: `There is no collection "${collection}"` });
    const standby = standbyOf(record);
    const wanted = version ?? standby?.version ?? null;
    if (wanted === null) throw notSwitchable(collection, null, []);
    if (standby?.version === wanted) {
      modelOf(standby.build.embedding); // one that is not here could not be searched
      await this.#requireIndex(record, { version: wanted, settings: standby.build }, signal);
    }
    const switched = await documents.switchVersion(collection, wanted, keepUntilMs, signal);
    await catalog.refresh(collection, signal);
    onIndexChanged(collection, switched.indexVersion);
    return switched;
  }

  /** A build is kept up no longer. False: none of this version was. */
  async retire(collection: string, version: number, signal: AbortSignal): Promise<boolean> {
    const { catalog, documents } = this.#parts;
    const record = await catalog.refresh(collection, signal);
    if (record === null || standbyOf(record)?.version !== version) return false;
    await documents.retireVersion(collection, version, signal);
    await catalog.refresh(collection, signal);
    return true;
  }

  /** Drops a build that is not searched any more; one that an alias pins stays. False: it stays. */
  async drop(collection: string, version: number, signal: AbortSignal): Promise<boolean> {
    const { catalog, documents } = this.#parts;
    const record = await catalog.refresh(collection, signal);
    const isRetired = record?.versions.some((other) => other.version === version && other.kind === "retired") ?? false;
    const isPinned = catalog.aliases().some((alias) => alias.collection === collection && alias.version === version);
    if (!isRetired || isPinned) return false;
    await this.#builds.drop(collection, version, signal);
    await documents.dropVersion(collection, version, signal);
    await catalog.refresh(collection, signal);
    return true;
  }

  /** The index of the build beside the active one is there. */
  async ready(record: CollectionRecord, beside: Build, signal: AbortSignal): Promise<true> {
    if (standbyOf(record) !== null) await this.#requireIndex(record, beside, signal);
    await this.#builds.ensure(record, beside, signal);
    return true;
  }

  /** Work on the build beside the active one. One that is kept up is retired where it fails, and holds nothing up; null: it was. */
  async unlessGivenUp<Result>(record: CollectionRecord, work: () => Promise<Result>, signal: AbortSignal): Promise<Result | null> {
    const standby = standbyOf(record);
    if (standby === null) return work();
    try {
      return await work();
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const { documents, catalog, logger } = this.#parts;
      const { version } = standby;
      logger.warn({ collection: record.name, version, err: thrown }, "A build that was kept up cannot be any more and is retired");
      await documents.retireVersion(record.name, version, signal);
      await catalog.refresh(record.name, signal);
      return null;
    }
  }

  async #requireIndex(record: CollectionRecord, build: Build, signal: AbortSignal): Promise<void> {
    if (!(await this.#builds.isGone(record, build, signal))) return;
    throw kennelError("unavailable", {
      message: `The index of version ${build.version} of collection "${record.name}" is missing; reindex the collection`,
    });
  }
}
