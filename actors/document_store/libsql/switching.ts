import type { BuildSettings, CollectionRecord } from "../collection_record.ts";
import type { ReindexOutcome } from "../index_version.ts";
import { LOST_IN_REINDEX, notSwitchable, reindexHasEnded, standbyVersions } from "../rules.ts";
import { type CollectionRow, requireCollection, type Standby, toRecord as toCollection } from "./collections.ts";
import type { Connection } from "./connection.ts";
import { endJob, requireJob } from "./jobs.ts";

export function completeReindex(
  connection: Connection,
  nowMs: number,
  jobId: string,
  outcome: ReindexOutcome,
  keepUntilMs: number | null,
): CollectionRecord {
  return endBuild(connection, jobId, outcome, (job, collection, next) => {
    connection.run("DELETE FROM index_versions WHERE job = ?", [jobId]);
    activate(connection, nowMs, collection, next, keepUntilMs === 0 ? null : { jobId, wasActive: true, keepUntilMs });
    endJob(connection, nowMs, job, "completed", null);
  });
}

export function holdReindex(
  connection: Connection,
  nowMs: number,
  jobId: string,
  outcome: ReindexOutcome,
  keepUntilMs: number | null,
): CollectionRecord {
  return endBuild(connection, jobId, outcome, (job) => {
    const standby: Standby = { jobId, wasActive: false, keepUntilMs };
    connection.run("UPDATE index_versions SET job = NULL, plan = NULL, standby = ? WHERE job = ?", [JSON.stringify(standby), jobId]);
    endJob(connection, nowMs, job, "completed", null);
  });
}

interface BuildRow {
  readonly version: number;
  readonly build: string;
}

/** One transaction; nothing where the job has completed before. */
function endBuild(
  connection: Connection,
  jobId: string,
  outcome: ReindexOutcome,
  end: (job: ReturnType<typeof requireJob>, collection: CollectionRow, next: BuildRow) => void,
): CollectionRecord {
  return connection.transaction(() => {
    const job = requireJob(connection, jobId);
    const next = connection.get<BuildRow>("SELECT version, build FROM index_versions WHERE job = ?", [jobId]);
    if (next !== undefined) {
      end(job, requireCollection(connection, job.name), next);
      connection.run("UPDATE jobs SET outcome = ? WHERE key = ?", [JSON.stringify(outcome), job.key]);
    } else if (job.status !== "completed") throw reindexHasEnded();
    return toCollection(requireCollection(connection, job.name));
  });
}

export function switchVersion(
  connection: Connection,
  nowMs: number,
  name: string,
  version: number,
  keepUntilMs: number | null,
): CollectionRecord {
  return connection.transaction(() => {
    const collection = requireCollection(connection, name);
    if (collection.version === version) return toCollection(collection);
    const next = connection.get<BuildRow & { standby: string }>(
      "SELECT version, build, standby FROM index_versions WHERE collection = ? AND version = ? AND standby IS NOT NULL",
      [collection.key, version],
    );
    if (next === undefined) throw notSwitchable(name, version, standbyVersions(toCollection(collection)));
    const { jobId } = JSON.parse(next.standby) as Standby;
    connection.run("DELETE FROM index_versions WHERE collection = ? AND version = ?", [collection.key, version]);
    activate(connection, nowMs, collection, next, keepUntilMs === 0 ? null : { jobId, wasActive: true, keepUntilMs });
    return toCollection(requireCollection(connection, name));
  });
}

export function retireVersion(connection: Connection, nowMs: number, name: string, version: number): void {
  connection.transaction(() => retireStandby(connection, nowMs, requireCollection(connection, name).key, version));
}

/** @param version null: whichever there is */
export function retireStandby(connection: Connection, nowMs: number, collectionKey: number, version: number | null): void {
  connection.run(
    `UPDATE index_versions SET retired_at_ms = CASE WHEN json_extract(standby, '$.wasActive') THEN ? ELSE 0 END, standby = NULL
     WHERE collection = ? AND standby IS NOT NULL AND version = coalesce(?, version)`,
    [nowMs, collectionKey, version],
  );
}

/** @param standby what the build that was active is from now on; null: retired */
function activate(connection: Connection, nowMs: number, collection: CollectionRow, next: BuildRow, standby: Standby | null): void {
  const before = JSON.parse(collection.settings) as CollectionRecord["settings"];
  const { language, embedding, chunking } = before;
  connection.run("INSERT INTO index_versions (collection, version, build, retired_at_ms, standby) VALUES (?, ?, ?, ?, ?)", [
    collection.key,
    collection.version,
    JSON.stringify({ language, embedding, chunking } satisfies BuildSettings),
    standby === null ? nowMs : null,
    standby === null ? null : JSON.stringify(standby),
  ]);
  connection.run(
    `UPDATE documents SET chunks = (SELECT count(*) FROM chunks c WHERE c.document = documents.key AND c.version = ?) WHERE collection = ?`,
    [next.version, collection.key],
  );
  connection.run("UPDATE documents SET state = 'failed', failure = ? WHERE collection = ? AND state = 'indexed' AND chunks = 0", [
    LOST_IN_REINDEX,
    collection.key,
  ]);
  connection.run(
    `UPDATE documents SET state = 'indexed', failure = NULL
     WHERE collection = ? AND chunks > 0 AND (state = 'skipped' OR (state = 'failed' AND failure = ?))`,
    [collection.key, LOST_IN_REINDEX],
  );
  connection.run(
    `UPDATE collections SET settings = ?, version = ?, index_version = index_version + 1, updated_at_ms = ?,
       chunks = (SELECT coalesce(sum(chunks), 0) FROM documents WHERE collection = ?) WHERE key = ?`,
    [JSON.stringify({ ...before, ...(JSON.parse(next.build) as BuildSettings) }), next.version, nowMs, collection.key, collection.key],
  );
}
