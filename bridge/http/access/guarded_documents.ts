/** Documents and their jobs as a grant sees them: of collections that it covers those that are for its principals. */
import type { ReindexPlan } from "../../../actors/document_store/index_version.ts";
import type { JobRecord } from "../../../actors/document_store/job_record.ts";
import { isVisible, type VisibleFilter } from "../../../actors/vector_store/filter.ts";
import type { Scope } from "../../../transport/transport.ts";
import { allowsScope } from "../../keys/grant.ts";
import type { CollectionCatalog, CollectionReindex, DocumentIngest, DocumentReader } from "../collaborators.ts";
import type { Guard } from "./guard.ts";

/** What of a collection's documents is visible; of one that is gone nothing is, which its store then says itself. */
type VisibleOf = (collection: string) => VisibleFilter | null;

/** @param catalog as it is, not as the grant sees it */
export function visibleOf(catalog: Pick<CollectionCatalog, "resolve">, guard: Guard): VisibleOf {
  return (whole) => {
    const record = catalog.resolve(whole)?.record;
    return guard.visible(record === undefined ? "required" : record.settings.acl);
  };
}

export function guardedDocuments(inner: DocumentReader, guard: Guard, visible: VisibleOf): DocumentReader {
  return {
    async getDocument(collection, id, signal) {
      const whole = guard.enter(collection);
      const document = await inner.getDocument(whole, id, signal);
      const filter = visible(whole);
      return document === null || filter === null || isVisible(filter, document.principals) ? document : null; // G4
    },
    async listDocuments(collection, { after, limit }, signal) {
      const whole = guard.enter(collection);
      const filter = visible(whole);
      return inner.listDocuments(whole, filter === null ? { after, limit } : { after, limit, visible: filter }, signal);
    },
    async getJob(jobId, signal) {
      const job = await inner.getJob(jobId, signal);
      return job !== null && guard.covers(job.collection) ? shownJob(job, guard) : null; // G3
    },
  };
}

/** Which documents have failed is for who sees all of them, and for who sends them; a reindex meets everyone's. */
function shownJob(job: JobRecord, guard: Guard): JobRecord {
  const isSender = allowsScope(guard.grant.scope, "write") && (guard.replacesUnseen || job.kind === "ingest");
  const isFull = guard.seesAll || isSender;
  return { ...job, collection: guard.outward(job.collection), failures: isFull ? job.failures : [] };
}

function comparedFor(plan: ReindexPlan, principals: Scope["principals"]): ReindexPlan {
  return plan.compare === null || principals === null ? plan : { ...plan, compare: { ...plan.compare, principals } };
}

type Ingest = DocumentIngest & CollectionReindex;

export function guardedIngest(inner: Ingest, documents: DocumentReader, guard: Guard, visible: VisibleOf): Ingest {
  /** Checks the collection that a call begins with. */
  const within =
    <Rest extends readonly unknown[], Result>(call: (whole: string, ...rest: Rest) => Promise<Result>) =>
    async (collection: string, ...rest: Rest): Promise<Result> =>
      call(guard.enter(collection), ...rest);
  return {
    accept: within(async (whole, sent, signal) => {
      const replaceable = guard.replacesUnseen ? null : visible(whole); // G6
      return shownJob(await inner.accept(whole, sent, signal, replaceable), guard);
    }),
    deleteDocuments: within((whole, ids, signal) => inner.deleteDocuments(whole, ids, signal, visible(whole))), // G4
    deleteMatching: within((whole, filter, signal) => inner.deleteMatching(whole, filter, signal, visible(whole))),
    reindex: within(async (whole, build, signal, plan) =>
      shownJob(await inner.reindex(whole, build, signal, comparedFor(plan, guard.scope.principals)), guard),
    ), // G5: it travels with the job, which another node may work off
    switchVersion: within(async (...given) => guard.shown(await inner.switchVersion(...given))),
    retireVersion: within((...given) => inner.retireVersion(...given)),
    dropVersion: within((...given) => inner.dropVersion(...given)),
    async cancel(jobId, signal) {
      return (await documents.getJob(jobId, signal)) !== null && inner.cancel(jobId, signal);
    },
  };
}
