import type { Catalog } from "./catalog.ts";
import type { DocumentStore } from "./document_store.ts";
import type { JobRecord } from "./job_record.ts";

/**
 * Reads a job; one that has completed is given only once this node's catalog knows the index version that holds all of it
 * and what became of its build, whichever node has done the work. So whoever reads `completed` and then searches meets what the job has made.
 * @throws KennelError of the document store
 */
export async function readJob(
  store: Pick<DocumentStore, "getJob">,
  catalog: Pick<Catalog, "resolve" | "refresh">,
  jobId: string,
  signal: AbortSignal,
): Promise<JobRecord | null> {
  const job = await store.getJob(jobId, signal);
  if (job === null || job.indexVersion === null) return job;
  const known = catalog.resolve(job.collection)?.record;
  const isBehind = known !== undefined && known.indexVersion < job.indexVersion;
  // A build that is held changes nothing that is found.
  const isBuilding = known?.versions.some((version) => version.kind === "building" && version.jobId === jobId) ?? false;
  if (known?.name === job.collection && (isBehind || isBuilding)) {
    await catalog.refresh(job.collection, signal);
  }
  return job;
}
