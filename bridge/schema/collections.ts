import { z } from "zod";
import type { Chunking, CollectionRecord, CollectionSettings, FusionSettings } from "../../actors/document_store/collection_record.ts";
import type { IndexVersion } from "../../actors/document_store/index_version.ts";
import { ATTRIBUTE_KEY, type AttributeSchema } from "../../actors/vector_store/filter.ts";
import { VECTOR_INDEXES, type VectorIndex } from "../../actors/vector_store/vector_store.ts";
import { neverReached } from "../../runtime/errors.ts";
import { adoptedSchema, adoptionRequestSchema, adoptionSchema, fromAdopted, fromAdoption } from "./adoptions.ts";
import { isoTime } from "./times.ts";
import { describe, refuse, strictObject, validate } from "./validate.ts";

/** What a collection has where its settings say nothing. */
export type CollectionDefaults = Omit<CollectionSettings, "attributes" | "adopt" | "vectorIndex">;

/** What this node can do with documents; a collection that asks for something else could never be searched. */
export interface CollectionChoices {
  /** Names in English and lower case; `none` among them. */
  readonly languages: readonly string[];
  /** Names of embedding models. */
  readonly embeddings: readonly string[];
  /** Of the vector store; empty: it chooses by itself. */
  readonly vectorIndexes: readonly VectorIndex[];
}

const MAX_CHUNK_TOKENS = 8_192;
const MAX_PARENT_TOKENS = 32_768;
const MAX_ATTRIBUTES = 256;
const TEN_YEARS_S = 315_360_000;

const weightSchema = z.number().min(0).max(1_000);

export const fusionSchema = z
  .discriminatedUnion("type", [
    strictObject({
      type: z.literal("weighted"),
      alpha: z.number().min(0).max(1).optional().describe("(1 - alpha) x BM25 + alpha x cosine, each min-max scaled"),
    }),
    strictObject({
      type: z.literal("rrf"),
      k: z.int().min(1).max(10_000).optional().describe("Damping; 60 unless given"),
      weights: strictObject({ vector: weightSchema.optional(), bm25: weightSchema.optional() }).optional(),
    }),
  ])
  .meta({ id: "Fusion" });

export const attributeKeySchema = z
  .string()
  .regex(ATTRIBUTE_KEY, { error: "a letter or _, then at most 63 letters, digits and _" })
  .refine((key) => key !== "__proto__", { error: "a key other than __proto__" });

const attributeTypeSchema = z.enum(["string", "number", "boolean"]);

export const collectionSettingsSchema = strictObject({
  language: z
    .string()
    .regex(/^[a-z]{1,32}$/, { error: "a language's name in English and lower case, or none" })
    .optional()
    .describe("Stemming and stop words of the lexical side; none: neither"),
  embedding: z
    .string()
    .regex(/^[A-Za-z0-9._:/-]{1,128}$/, { error: "a model's name, such as static-minilm-256" })
    .optional()
    .describe("The model that makes the vectors"),
  chunking: strictObject({
    max_tokens: z.int().min(16).max(MAX_CHUNK_TOKENS).optional(),
    overlap_tokens: z.int().min(0).max(MAX_CHUNK_TOKENS).optional().describe("Less than max_tokens"),
    parent_tokens: z.int().min(0).max(MAX_PARENT_TOKENS).optional().describe("0: documents have no parents; else at least max_tokens"),
  }).optional(),
  attributes: z
    .record(attributeKeySchema, attributeTypeSchema)
    .refine((attributes) => Object.keys(attributes).length <= MAX_ATTRIBUTES, { error: `at most ${MAX_ATTRIBUTES} attributes` })
    .optional()
    .describe("Declared types; others are inferred from the documents"),
  fusion: fusionSchema.optional(),
  pinned: z.boolean().optional().describe("Kept warm always"),
  resident: z.enum(["auto", "always", "never"]).optional(),
  replicas: z.int().min(1).max(16).optional().describe("Copies of the retriever in the cluster"),
  pool: z.int().min(1).max(16).optional().describe("Retrievers on one node among which queries are balanced"),
  ttl_seconds: z.int().min(1).max(TEN_YEARS_S).nullish().describe("Older documents are not found and are removed; null: kept for ever"),
  allow_degraded: z.boolean().optional(),
  adopt: adoptionRequestSchema
    .nullish()
    .describe(
      "A collection of Milvus that is not Kennel's, to be searched as it is; deleting the collection that adopts it leaves it alone",
    ),
  vector_index: z
    .enum(VECTOR_INDEXES)
    .optional()
    .describe("In Milvus, of builds made from now on: a graph, or every vector compared; as the node is configured unless given"),
  share_answers: z.boolean().optional().describe("Answers are kept in the node's Redis, too, where other nodes find them"),
  acl: z
    .enum(["optional", "required"])
    .optional()
    .describe(
      "required: documents without principals are nobody's but administrators'; optional: they are everyone's who may search the collection",
    ),
}).meta({ id: "CollectionSettings" });

/** Throws `invalid_request` with the field at fault. */
export function parseCollectionSettings(body: unknown, defaults: CollectionDefaults, choices: CollectionChoices): CollectionSettings {
  const wire = validate(collectionSettingsSchema, body);
  refuseOther("language", wire.language, choices.languages);
  refuseOther("embedding", wire.embedding, choices.embeddings);
  refuseVectorIndex(wire, choices);
  return {
    language: wire.language ?? defaults.language,
    embedding: wire.embedding ?? defaults.embedding,
    chunking: toChunking(wire.chunking ?? {}, defaults.chunking),
    attributes: wire.attributes ?? {},
    fusion: wire.fusion === undefined ? defaults.fusion : toFusion(wire.fusion, defaults.fusion),
    pinned: wire.pinned ?? defaults.pinned,
    resident: wire.resident ?? defaults.resident,
    replicas: wire.replicas ?? defaults.replicas,
    pool: wire.pool ?? defaults.pool,
    ttlSeconds: wire.ttl_seconds === undefined ? defaults.ttlSeconds : wire.ttl_seconds,
    allowDegraded: wire.allow_degraded ?? defaults.allowDegraded,
    shareAnswers: wire.share_answers ?? defaults.shareAnswers,
    ...(wire.vector_index === undefined ? {} : { vectorIndex: wire.vector_index }),
    ...(wire.acl === "required" ? { acl: "required" } : {}),
  };
}

function refuseVectorIndex(wire: z.output<typeof collectionSettingsSchema>, { vectorIndexes }: CollectionChoices): void {
  if (wire.vector_index === undefined) return;
  if (vectorIndexes.length === 0) throw refuse("vector_index", "is given", "nothing: the embedded store chooses by an index's size");
  if (wire.adopt != null) throw refuse("vector_index", "is given", "nothing beside adopt: the index is its owner's");
}

/** Throws `invalid_request` where this node has not what is asked for. */
export function refuseOther(param: string, given: string | undefined, allowed: readonly string[]): void {
  if (given !== undefined && !allowed.includes(given)) throw refuse(param, `is ${describe(given)}`, allowed.join(", "));
}

type WireChunking = NonNullable<z.output<typeof collectionSettingsSchema>["chunking"]>;

export function toChunking(wire: WireChunking, defaults: Chunking): Chunking {
  const maxTokens = wire.max_tokens ?? defaults.maxTokens;
  // A default never contradicts what was asked for: smaller chunks bring a smaller overlap, larger ones larger parents.
  const overlapTokens = wire.overlap_tokens ?? Math.min(defaults.overlapTokens, Math.floor(maxTokens / 4));
  const parentTokens = wire.parent_tokens ?? (defaults.parentTokens === 0 ? 0 : Math.max(defaults.parentTokens, maxTokens));
  if (overlapTokens >= maxTokens) throw refuse("chunking.overlap_tokens", `is ${overlapTokens}`, `less than max_tokens, ${maxTokens}`);
  if (parentTokens !== 0 && parentTokens < maxTokens) {
    throw refuse("chunking.parent_tokens", `is ${parentTokens}`, `0, or at least max_tokens, ${maxTokens}`);
  }
  return { maxTokens, overlapTokens, parentTokens };
}

const DEFAULT_ALPHA = 0.3;
const DEFAULT_RRF_K = 60;

/** Fills in what a fusion leaves out: from `defaults` where they are of the same type, else from the method's own. */
export function toFusion(wire: z.output<typeof fusionSchema>, defaults?: FusionSettings): FusionSettings {
  if (wire.type === "weighted") {
    return { type: "weighted", alpha: wire.alpha ?? (defaults?.type === "weighted" ? defaults.alpha : DEFAULT_ALPHA) };
  }
  const base = defaults?.type === "rrf" ? defaults : { k: DEFAULT_RRF_K, weights: { vector: 1, bm25: 1 } };
  const weights = { vector: wire.weights?.vector ?? base.weights.vector, bm25: wire.weights?.bm25 ?? base.weights.bm25 };
  if (weights.vector + weights.bm25 === 0) throw refuse("fusion.weights", "are both 0", "at least one weight above 0");
  return { type: "rrf", k: wire.k ?? base.k, weights };
}

const resolvedFusionSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("weighted"), alpha: z.number() }),
  z.object({ type: z.literal("rrf"), k: z.number(), weights: z.object({ vector: z.number(), bm25: z.number() }) }),
]);

const resolvedChunkingSchema = z.object({ max_tokens: z.int(), overlap_tokens: z.int(), parent_tokens: z.int() });

export const collectionSchema = z
  .object({
    object: z.literal("collection"),
    name: z.string(),
    settings: z.object({
      language: z.string(),
      embedding: z.string(),
      chunking: resolvedChunkingSchema,
      attributes: z.record(z.string(), attributeTypeSchema),
      fusion: resolvedFusionSchema,
      pinned: z.boolean(),
      resident: z.enum(["auto", "always", "never"]),
      replicas: z.int(),
      pool: z.int(),
      ttl_seconds: z.int().nullable(),
      allow_degraded: z.boolean(),
      adopt: adoptionSchema.optional().describe("Absent: the rows are Kennel's own"),
      share_answers: z.boolean(),
      vector_index: z.enum(VECTOR_INDEXES).optional().describe("Absent: as the node is configured"),
      acl: z.literal("required").optional().describe("Absent: optional"),
    }),
    adopted: adoptedSchema.optional().describe("What can be asked of the collection that it has adopted"),
    attributes: z.record(z.string(), attributeTypeSchema).describe("Declared and inferred ones together"),
    aliases: z.array(z.string()),
    version: z.int().describe("The build that searching goes to"),
    versions: z
      .array(
        z.object({
          version: z.int(),
          status: z
            .enum(["building", "held", "kept", "retired", "abandoned"])
            .describe("held and kept: complete, every change goes to it as well, and it can be switched to; kept: it was searched before"),
          language: z.string(),
          embedding: z.string(),
          chunking: resolvedChunkingSchema,
          job: z.string().nullable().describe("The job that builds it, or that has made it or the one in its place"),
          kept_until: z.iso.datetime().nullable().describe("Then a held or kept one is let go; null: when told"),
          is_repair: z
            .boolean()
            .describe("The store has lost the active build or rows of it: until it is built anew, answers are degraded"),
        }),
      )
      .describe("Builds beside the active one. One that was replaced goes after a while unless an alias pins it"),
    index_version: z.int().describe("Grows with each change of what a search can find"),
    documents: z.int().describe("That Kennel has stored; of an adopted collection not those of its owner"),
    chunks: z.int(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: "Collection" });

export type WireCollection = z.output<typeof collectionSchema>;

export function fromCollection(record: CollectionRecord, aliases: readonly string[]): WireCollection {
  const { settings } = record;
  return {
    object: "collection",
    name: record.name,
    settings: {
      language: settings.language,
      embedding: settings.embedding,
      chunking: fromChunking(settings.chunking),
      attributes: copyAttributes(settings.attributes),
      fusion: settings.fusion,
      pinned: settings.pinned,
      resident: settings.resident,
      replicas: settings.replicas,
      pool: settings.pool,
      ttl_seconds: settings.ttlSeconds,
      allow_degraded: settings.allowDegraded,
      ...(settings.adopt === undefined ? {} : { adopt: fromAdoption(settings.adopt) }),
      share_answers: settings.shareAnswers === true,
      ...(settings.vectorIndex === undefined ? {} : { vector_index: settings.vectorIndex }),
      ...(settings.acl === undefined ? {} : { acl: settings.acl }),
    },
    ...(settings.adopt === undefined ? {} : { adopted: fromAdopted(settings.adopt) }),
    attributes: copyAttributes(record.attributes),
    aliases: [...aliases],
    version: record.version,
    versions: record.versions.map(fromVersion),
    index_version: record.indexVersion,
    documents: record.documents,
    chunks: record.chunks,
    created_at: isoTime(record.createdAtMs),
    updated_at: isoTime(record.updatedAtMs),
  };
}

function fromChunking({ maxTokens, overlapTokens, parentTokens }: Chunking) {
  return { max_tokens: maxTokens, overlap_tokens: overlapTokens, parent_tokens: parentTokens };
}

function fromVersion(version: IndexVersion): WireCollection["versions"][number] {
  const { language, embedding, chunking } = version.build;
  return {
    version: version.version,
    status: statusOf(version),
    language,
    embedding,
    chunking: fromChunking(chunking),
    job: version.kind === "retired" ? null : version.jobId,
    kept_until: version.kind === "standby" && version.keepUntilMs !== null ? isoTime(version.keepUntilMs) : null,
    is_repair: version.kind === "building" && version.isRepair,
  };
}

function statusOf(version: IndexVersion): WireCollection["versions"][number]["status"] {
  switch (version.kind) {
    case "building":
      return "building";
    case "standby":
      return version.wasActive ? "kept" : "held";
    case "retired":
      return version.retiredAtMs > 0 ? "retired" : "abandoned";
    default:
      return neverReached(version);
  }
}

function copyAttributes(attributes: AttributeSchema) {
  return { ...attributes };
}
