import type { CollectionRecord } from "../document_store/collection_record.ts";
import type { Page } from "../document_store/document_store.ts";
import type { ReindexOutcome } from "../document_store/index_version.ts";
import { Comparisons, decide, PLAIN_PLAN } from "./comparing.ts";
import { type Build, type BuildingVersion, fitting, type IndexBuilds, toRows } from "./index_builds.ts";
import type { IndexingParts } from "./indexing.ts";
import { noteFinished, outcomesOf, timed } from "./ingest_metrics.ts";
import type { PreparedDocument } from "./preparing/preparer.ts";

// Invariants:
//   B1. The build's place is moved after both stores have the page: a crash anywhere costs one page done twice.
//   B2. A document that changes while its collection is being built is written to both builds by its own job; so the build
//       holds everything when it has passed the last document that was there before.
//   B3. The build takes the active one's place, or is held back, in one step of the document store, while nothing else works
//       on the collection.
//   B4. It is compared when it is complete, and goes on being written to until it is decided: what is compared is what
//       would be switched to.

/** Pages of one round. */
const PAGES_PER_ROUND = 4;

/** A page's documents, prepared for the new build, and when each was last changed. */
interface PreparedPage {
  readonly prepared: readonly PreparedDocument[];
  readonly updatedAtMs: ReadonlyMap<string, number>;
  readonly next: string | null;
}

/** Builds the next version of a collection's index from the document store, beside the one that is searched. */
export class Reindexing {
  readonly #parts: IndexingParts;
  readonly #builds: IndexBuilds;
  readonly #comparisons: Comparisons;

  constructor(parts: IndexingParts, builds: IndexBuilds) {
    this.#parts = parts;
    this.#builds = builds;
    this.#comparisons = new Comparisons(parts.compare);
  }

  /** The next few pages; after the last one the build becomes the active one. `shouldStop` is asked between pages. */
  async runRound(
    record: CollectionRecord,
    building: BuildingVersion,
    shouldStop: () => boolean,
    signal: AbortSignal,
  ): Promise<{ readonly isFinished: boolean }> {
    const { documents } = this.#parts;
    const build: Build = { version: building.version, settings: building.build };
    await documents.startJob(building.jobId, signal);
    if (await this.#isLost(record, building, signal)) return { isFinished: true };
    await this.#builds.ensure(record, build, signal);
    let after = building.through;
    for (let pages = 0; pages < PAGES_PER_ROUND && !shouldStop(); pages++) {
      const page = await this.#readAndPrepare(record, build, after, signal);
      if (page.prepared.length > 0) await this.#store(record.name, building, page, signal);
      if (page.next === null) {
        if (shouldStop()) break;
        return { isFinished: await this.#conclude(record, building, shouldStop, signal) };
      }
      after = page.next;
    }
    return { isFinished: false };
  }

  /** Parses again where other chunks are wanted; else the stored chunks are embedded as they are. */
  async #readAndPrepare(record: CollectionRecord, build: Build, after: string | null, signal: AbortSignal): Promise<PreparedPage> {
    const { documents, preparer, modelOf, limits } = this.#parts;
    const { chunking, embedding } = build.settings;
    const model = modelOf(embedding);
    const page = { after, limit: limits.batchDocuments, maxBytes: limits.batchBytes };
    if (isEqual(chunking, record.settings.chunking)) {
      const read = await documents.chunkedDocuments(record.name, record.version, page, signal);
      const fit = read.items.map((document) => fitting(document, model.dimensions));
      return pageOf(read, await timed(this.#parts, "prepare", () => preparer.embed(fit, model, signal)));
    }
    const read = await documents.documentsToParse(record.name, page, signal);
    const fit = read.items.map((document) => fitting(document, model.dimensions));
    return pageOf(read, await timed(this.#parts, "prepare", () => preparer.prepare(fit, chunking, model, signal)));
  }

  /** B1 */
  async #store(collection: string, { version, jobId }: BuildingVersion, page: PreparedPage, signal: AbortSignal): Promise<void> {
    const { documents } = this.#parts;
    const parsed = page.prepared.map((document) => document.parsed);
    const readable = parsed.filter(({ failure }) => failure === null); // the text of one that can't be read now is kept
    await timed(this.#parts, "store", () => documents.putChunks(collection, version, readable, signal));
    const rows = page.prepared.flatMap((document) => toRows(document, page.updatedAtMs.get(document.parsed.id) ?? 0));
    const ids = parsed.map(({ id }) => id);
    await timed(this.#parts, "index", () => this.#builds.replace({ collection, version }, ids, rows, signal));
    const failures = parsed.flatMap(({ id, failure }) => (failure === null ? [] : [{ documentId: id, message: failure }]));
    const through = ids.at(-1) ?? "";
    await documents.advanceReindex(jobId, { through, ...outcomesOf(parsed), failures }, signal);
  }

  /** B4. False: the comparison goes on in another round. */
  async #conclude(record: CollectionRecord, building: BuildingVersion, shouldStop: () => boolean, signal: AbortSignal): Promise<boolean> {
    const { documents, vectors } = this.#parts;
    const { jobId, version } = building;
    const plan = building.isRepair ? PLAIN_PLAN : ((await documents.reindexPlan(jobId, signal)) ?? PLAIN_PLAN);
    if (!this.#comparisons.isRunning(jobId)) {
      await timed(this.#parts, "optimize", () => vectors.optimize({ collection: record.name, version }, signal));
    }
    const compared =
      plan.compare === null ? null : await this.#comparisons.advance(jobId, record, version, plan.compare, shouldStop, signal);
    if (compared === "open") return false;
    await this.#end(record, jobId, decide(plan, compared), plan.keepMs, signal);
    return true;
  }

  /** B3 */
  async #end(record: CollectionRecord, jobId: string, outcome: ReindexOutcome, keepMs: number | null, signal: AbortSignal): Promise<void> {
    const { documents, catalog, metrics, onIndexChanged, clock } = this.#parts;
    const keepUntilMs = keepMs === null ? null : clock.wallMs() + keepMs;
    const { indexVersion } =
      outcome.decision === "switched"
        ? await documents.completeReindex(jobId, outcome, keepMs === 0 ? 0 : keepUntilMs, signal)
        : await documents.holdReindex(jobId, outcome, keepMs === 0 ? null : keepUntilMs, signal);
    await catalog.refresh(record.name, signal);
    onIndexChanged(record.name, indexVersion);
    const job = await documents.getJob(jobId, signal);
    if (job !== null) noteFinished(metrics, job);
  }

  /** A build whose index went away half-way can't be gone on with: its job ends, and a repair begins anew. */
  async #isLost(record: CollectionRecord, building: BuildingVersion, signal: AbortSignal): Promise<boolean> {
    if (building.through === null) return false;
    const rows = await this.#builds.countRows({ collection: record.name, version: building.version }, signal);
    if (rows !== null) return false;
    noteFinished(this.#parts.metrics, await this.#parts.documents.finishJob(building.jobId, "failed", null, signal));
    if (building.isRepair) await this.#parts.beginRepair(record, signal);
    else await this.#parts.catalog.refresh(record.name, signal);
    return true;
  }
}

function pageOf(read: Page<{ readonly id: string; readonly updatedAtMs: number }>, prepared: readonly PreparedDocument[]): PreparedPage {
  return { prepared, updatedAtMs: new Map(read.items.map(({ id, updatedAtMs }) => [id, updatedAtMs])), next: read.next };
}

function isEqual(a: CollectionRecord["settings"]["chunking"], b: CollectionRecord["settings"]["chunking"]): boolean {
  return a.maxTokens === b.maxTokens && a.overlapTokens === b.overlapTokens && a.parentTokens === b.parentTokens;
}
