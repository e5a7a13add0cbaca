import { z } from "zod";
import { kennelError } from "../../runtime/errors.ts";
import { type CollectionChoices, collectionSchema, fromCollection } from "../schema/collections.ts";
import { fromJob, jobSchema } from "../schema/jobs.ts";
import { parseReindex, parseSwitch, type ReindexDefaults, reindexSettingsSchema, switchSchema } from "../schema/reindex.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { CollectionCatalog, CollectionReindex } from "./collaborators.ts";
import { aliasesOf, requireCollection } from "./collection_routes.ts";
import { COLLECTION_PARAMETER, EXAMPLE_COLLECTION, EXAMPLE_QUEUED_JOB, jsonAnswer, VERSION_PARAMETER } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly ingest: CollectionReindex;
  readonly choices: CollectionChoices;
  readonly reindex: ReindexDefaults;
  readonly limits: BridgeLimits;
  readonly clock: { wallMs(): number };
}

const PATH = "/v1/collections/{collection}";
const MAX_VERSION = 2_147_483_647;

/** The life of a collection's builds: the next one is made and compared, searches go to it and back, and it is let go. */
export function reindexRoutes(parts: Parts): readonly Route[] {
  return [reindex(parts), switchBuild(parts), dropBuild(parts)];
}

function reindex({ catalog, ingest, choices, reindex: defaults, limits }: Parts): Route {
  return {
    method: "POST",
    path: `${PATH}/reindex`,
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "reindexCollection",
      summary:
        "Build the collection's index anew from its stored documents, with other settings where the body has any; it is searched meanwhile, compared, and switched to unless it is worse",
      tag: "collections",
      parameters: [COLLECTION_PARAMETER],
      request: { isRequired: false, content: { [JSON_TYPE]: { schema: reindexSettingsSchema, example: { language: "german" } } } },
      answers: { 202: jsonAnswer("The job that builds it", jobSchema, { ...EXAMPLE_QUEUED_JOB, kind: "reindex" }, ["Location"]) },
      errors: ["not_found", "conflict", "payload_too_large", "unsupported_media_type", "storage_full"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const body = await exchange.optionalJson();
      const record = requireCollection(catalog, name);
      const { build, plan } = parseReindex(body, record.settings, choices, defaults);
      const job = await ingest.reindex(record.name, build, exchange.signal, plan);
      return json(202, fromJob(job), { location: `/v1/jobs/${job.id}` });
    },
  };
}

function switchBuild({ catalog, ingest, reindex: defaults, limits, clock }: Parts): Route {
  return {
    method: "POST",
    path: `${PATH}/switch`,
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "switchCollection",
      summary: "Search the build that is held or kept from now on, and keep the one before in its place: the same call again leads back",
      tag: "collections",
      parameters: [COLLECTION_PARAMETER],
      request: { isRequired: false, content: { [JSON_TYPE]: { schema: switchSchema, example: { keep_seconds: 3_600 } } } },
      answers: { 200: jsonAnswer("The collection as it is searched now", collectionSchema, EXAMPLE_COLLECTION) },
      errors: ["not_found", "conflict", "payload_too_large", "unsupported_media_type", "storage_full"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const body = await exchange.optionalJson();
      const record = requireCollection(catalog, name);
      const { version, keepMs } = parseSwitch(body, defaults);
      const keepUntilMs = keepMs === null || keepMs === 0 ? keepMs : clock.wallMs() + keepMs;
      const switched = await ingest.switchVersion(record.name, version, keepUntilMs, exchange.signal);
      return json(200, fromCollection(switched, aliasesOf(catalog, record.name)));
    },
  };
}

const droppedSchema = z
  .object({ object: z.literal("collection.version.deleted"), collection: z.string(), version: z.int(), deleted: z.literal(true) })
  .meta({ id: "VersionDeleted" });

function dropBuild({ catalog, ingest, limits }: Parts): Route {
  return {
    method: "DELETE",
    path: `${PATH}/versions/{version}`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "deleteVersion",
      summary: "Let a build go that is not searched: one that is held, kept or retired",
      tag: "collections",
      parameters: [COLLECTION_PARAMETER, VERSION_PARAMETER],
      request: null,
      answers: {
        200: jsonAnswer("It is gone", droppedSchema, {
          object: "collection.version.deleted",
          collection: "docs",
          version: 2,
          deleted: true,
        }),
      },
      errors: ["not_found", "conflict"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      const version = exchange.count("version", MAX_VERSION);
      exchange.refuseQuery();
      const record = requireCollection(catalog, name);
      refuseInUse(catalog, record.name, version);
      await ingest.retireVersion(record.name, version, exchange.signal);
      await ingest.dropVersion(record.name, version, exchange.signal);
      return json(200, { object: "collection.version.deleted", collection: record.name, version, deleted: true });
    },
  };
}

function refuseInUse(catalog: CollectionCatalog, name: string, version: number): void {
  const record = requireCollection(catalog, name);
  const refuse = (code: "not_found" | "conflict", what: string) => {
    throw kennelError(code, { param: "version", message: `Version ${version} of collection "${name}" ${what}` });
  };
  if (version === record.version) refuse("conflict", "stays: it is the active one");
  const known = record.versions.find((other) => other.version === version);
  if (known === undefined) refuse("not_found", "is not there");
  if (known?.kind === "building") refuse("conflict", `is being built; cancel its job, ${known.jobId}`);
  const pin = catalog.aliases().find((alias) => alias.collection === name && alias.version === version);
  if (pin !== undefined) refuse("conflict", `stays: alias "${pin.alias}" pins it`);
}
