import { z } from "zod";
import type { ForeignLook } from "../../actors/vector_store/adopter.ts";
import { WIRE_ROLES } from "../../actors/vector_store/adopting.ts";
import type { AdoptedFields, Adoption, AdoptionRequest } from "../../actors/vector_store/adoption.ts";
import { strictObject, validate } from "./validate.ts";

const MODES = ["read_only", "read_write"] as const;

export const foreignNameSchema = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,254}$/, { error: "the name of a collection or alias in Milvus: letters, digits and _" })
  .describe("A collection in Milvus, or an alias of one, by the name it has there");

const fieldSchema = z.string().min(1).max(255);

/** Adopting a collection, as a setting of the one that is made of it. */
export const adoptionRequestSchema = strictObject({
  collection: foreignNameSchema,
  mode: z.enum(MODES).optional().describe("read_only, the default, or read_write: documents are written into it and deleted from it"),
  fields: strictObject({
    id: fieldSchema.optional().describe("The primary key"),
    vector: fieldSchema.optional(),
    text: fieldSchema.nullish(),
    document_id: fieldSchema.nullish().describe("What tells which document a row belongs to; null: each row is a document"),
    title: fieldSchema.nullish(),
    url: fieldSchema.nullish(),
  })
    .optional()
    .describe("What its fields are for; those left out are guessed, null means none"),
}).meta({ id: "AdoptionRequest" });

/** What a body asks to adopt; null: nothing. Throws `invalid_request` with the field at fault. */
export function parseAdoption(body: unknown): AdoptionRequest | null {
  const { adopt } = (body ?? {}) as { readonly adopt?: unknown };
  if (adopt === undefined || adopt === null) return null;
  const { collection, mode = "read_only", fields = {} } = validate(adoptionRequestSchema, adopt, ["adopt"]);
  const roles = Object.entries(WIRE_ROLES) as [keyof AdoptedFields, keyof typeof fields][];
  const given = roles.flatMap(([role, name]) => (fields[name] === undefined ? [] : [[role, fields[name]] as const]));
  return { collection, mode, fields: Object.fromEntries(given) };
}

/** As it is told, and taken again by `PUT`. */
export const adoptionSchema = z
  .object({
    collection: z.string(),
    mode: z.enum(MODES),
    fields: z.object({
      id: z.string(),
      vector: z.string(),
      text: z.string().nullable(),
      document_id: z.string().nullable(),
      title: z.string().nullable(),
      url: z.string().nullable(),
    }),
  })
  .meta({ id: "Adoption" });

/** What follows from how the collection was made. */
export const adoptedSchema = z
  .object({
    dimensions: z.int(),
    metric: z.enum(["COSINE", "IP", "L2"]),
    index: z.string().describe("HNSW, IVF_FLAT, as Milvus calls it"),
    lexical: z.enum(["milvus", "local_replica", "none"]).describe("Who ranks its words"),
    strategies: z.array(z.string()).describe("What it can be asked by; hybrid falls back to what there is of the two"),
    text_queries: z.boolean().describe("Whether the collection's model makes vectors of this length; if not, a search brings its vector"),
    attributes: z.record(z.string(), z.string()).describe("Whole numbers beyond 2^53 are rounded"),
    ignored: z.array(z.object({ field: z.string(), type: z.string() })).describe("Fields that are left alone"),
    notes: z.array(z.string()).describe("What it can't do, and why"),
  })
  .meta({ id: "AdoptedCollection" });

export const foreignCollectionSchema = z
  .object({
    object: z.literal("vector_store.collection"),
    name: z.string(),
    adopted_as: z.array(z.string()).describe("Collections that have adopted it"),
    rows: z
      .int()
      .nullable()
      .describe("null: it is not in Milvus' memory, so that its rows, and keys beside its schema, were not looked at"),
    fields: z.array(z.object({ name: z.string(), type: z.string(), dimensions: z.int().nullable(), is_primary_key: z.boolean() })),
    adopt: adoptionSchema.nullable().describe("The guess, with the most that it allows; null: see problem"),
    adopted: adoptedSchema.nullable(),
    problem: z.string().nullable().describe("Why it can't be adopted, or what has to be said for it"),
    read_only_because: z.string().nullable(),
  })
  .meta({ id: "ForeignCollection" });

export const foreignCollectionsSchema = z
  .object({
    object: z.literal("list"),
    data: z.array(z.object({ object: z.literal("vector_store.collection"), name: z.string(), adopted_as: z.array(z.string()) })),
  })
  .meta({ id: "ForeignCollections" });

export function fromAdoption({ collection, mode, fields }: Adoption): z.output<typeof adoptionSchema> {
  const { documentId, ...same } = fields;
  return { collection, mode, fields: { ...same, document_id: documentId } };
}

const LEXICAL = { store: "milvus", replica: "local_replica", none: "none" } as const;

export function fromAdopted(adoption: Adoption): z.output<typeof adoptedSchema> {
  const { dimensions, metric, index, lexical, canEmbed, attributes, ignored } = adoption;
  return {
    dimensions,
    metric,
    index: index.type,
    lexical: LEXICAL[lexical],
    strategies: lexical === "none" ? ["vector"] : ["vector", "bm25", "hybrid"],
    text_queries: canEmbed,
    attributes: { ...attributes },
    ignored: ignored.map((field) => ({ ...field })),
    notes: notesOn(adoption),
  };
}

function notesOn({ fields, lexical, canEmbed, dimensions, metric, isUnit }: Adoption): string[] {
  return [
    ...(fields.text === null ? ["No field was taken for the text: hits have none"] : []),
    ...(lexical === "replica"
      ? ["Milvus has no BM25 function over its text: words are searched in a copy of the texts, which may be minutes behind"]
      : []),
    ...(lexical === "none" && fields.text !== null
      ? ["It is too large to have its texts copied, which Milvus does not rank: it is searched by vectors alone"]
      : []),
    ...(canEmbed ? [] : [`The collection's model makes vectors of another length than ${dimensions}: a search has to bring its vector`]),
    ...(metric === "IP" && !isUnit ? ["Not all vectors have length 1: a score keeps the order of inner products and is no cosine"] : []),
  ];
}

export function fromForeign({ foreign, adoption, problem, readOnlyBecause }: ForeignLook, adoptedAs: readonly string[]) {
  return {
    object: "vector_store.collection" as const,
    name: foreign.name,
    adopted_as: [...adoptedAs],
    rows: foreign.rows,
    fields: foreign.fields.map(({ name, nativeType, dimensions, isPrimaryKey }) => ({
      name,
      type: nativeType,
      dimensions,
      is_primary_key: isPrimaryKey,
    })),
    adopt: adoption === null ? null : fromAdoption(adoption),
    adopted: adoption === null ? null : fromAdopted(adoption),
    problem: problem?.message ?? null,
    read_only_because: readOnlyBecause?.message ?? null,
  };
}
