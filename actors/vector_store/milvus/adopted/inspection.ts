import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { kennelError } from "../../../../runtime/errors.ts";
import { dynamicField } from "../../adopting.ts";
import type { ForeignCollection, ForeignField, ForeignIndex, ForeignType } from "../../adoption.ts";
import type { AttributeType } from "../../filter.ts";
import { DYNAMIC_FIELD, SCHEMA_PROPERTY } from "../collection.ts";
import { isMissing, isWithoutIndex, succeeded } from "../failures.ts";
import { CONSISTENCY } from "../reads.ts";
import type { Answered } from "../rows.ts";
import { everyRow } from "./filter.ts";

/** What is Kennel's in a Milvus: its collections and their aliases. */
const OWN_PREFIX = "kennel_";
const MAX_LISTED = 1_000;
/** Rows that are looked at for keys of the dynamic field and the length of vectors. */
const SAMPLE_ROWS = 100;
const MAX_DYNAMIC_KEYS = 256;
/** Of a float32 vector's squared length from 1. */
const UNIT_TOLERANCE = 1e-3;

const TYPES: Readonly<Record<string, ForeignType>> = {
  Bool: "boolean",
  Int8: "integer",
  Int16: "integer",
  Int32: "integer",
  Int64: "integer",
  Float: "float32",
  Double: "number",
  VarChar: "string",
  String: "string",
  FloatVector: "vector",
};

interface KeyValue {
  readonly key: string;
  readonly value: unknown;
}

/** The parts of a description that are looked at. */
export interface DescribedCollection {
  readonly properties: readonly KeyValue[];
  readonly schema: {
    readonly enable_dynamic_field: boolean;
    readonly fields: readonly {
      readonly name: string;
      readonly data_type: string;
      readonly is_primary_key: boolean;
      readonly autoID: boolean;
      readonly is_dynamic: boolean;
      readonly nullable: boolean;
      readonly is_function_output: boolean;
      readonly default_value: unknown;
      readonly type_params: readonly KeyValue[];
    }[];
    readonly functions: readonly {
      readonly type: string;
      readonly input_field_names: readonly string[];
      readonly output_field_names: readonly string[];
    }[];
  };
}

/** Names of what Kennel did not make. */
export async function listForeign(client: MilvusClient): Promise<readonly string[]> {
  const { data } = succeeded(await client.showCollections());
  const names = data.map(({ name }) => name).filter((name) => !name.startsWith(OWN_PREFIX));
  return names.sort().slice(0, MAX_LISTED);
}

/** @param isLoaded whether its rows can be looked at */
export async function inspectForeign(client: MilvusClient, name: string, isLoaded: boolean): Promise<ForeignCollection> {
  refuseOwn(name, name.startsWith(OWN_PREFIX));
  const { schema, properties } = await describe(client, name);
  refuseOwn(
    name,
    properties.some(({ key }) => key === SCHEMA_PROPERTY), // by an alias that somebody else has given it
  );
  const fields = schema.fields.filter((field) => !field.is_dynamic && field.name !== DYNAMIC_FIELD).map(readField);
  const hasDynamicField = schema.enable_dynamic_field;
  const described = {
    name,
    fields,
    hasDynamicField,
    indexes: await readIndexes(client, name),
    textSearches: schema.functions.flatMap(({ type, input_field_names: [field], output_field_names: [by] }) =>
      type === "BM25" && field !== undefined && by !== undefined ? [{ field, by }] : [],
    ),
    rows: null,
    hasUnitVectors: {},
  };
  const key = fields.find(({ isPrimaryKey }) => isPrimaryKey);
  if (!isLoaded || key === undefined) return described;
  const vectors = fields.filter(({ type }) => type === "vector").map((field) => field.name);
  const sample = await readRows(client, name, key, [...vectors, ...(hasDynamicField ? [DYNAMIC_FIELD] : [])], SAMPLE_ROWS);
  const [counted] = await readRows(client, name, key, ["count(*)"], null);
  const units = vectors.map((vector): [string, boolean] => [vector, sample.every((row) => isUnit(row[vector]))]);
  return {
    ...described,
    fields: [...fields, ...dynamicFields(sample)],
    rows: Number(counted?.["count(*)"] ?? 0),
    hasUnitVectors: Object.fromEntries(sample.length === 0 ? [] : units),
  };
}

function refuseOwn(name: string, isOwn: boolean): void {
  if (!isOwn) return;
  const message = `adopt.collection is ${JSON.stringify(name.slice(0, 64))}; allowed: a collection that is not Kennel's own, whose names begin with ${OWN_PREFIX}`;
  throw kennelError("invalid_request", { param: "adopt.collection", message });
}

async function describe(client: MilvusClient, name: string): Promise<DescribedCollection> {
  try {
    return succeeded(await client.describeCollection({ collection_name: name })) as unknown as DescribedCollection;
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown;
    const message = `Milvus has no collection or alias ${JSON.stringify(name.slice(0, 64))}`;
    throw kennelError("not_found", { param: "adopt.collection", message, cause: thrown });
  }
}

function readField(field: DescribedCollection["schema"]["fields"][number]): ForeignField {
  const number = (key: string): number | null => {
    const value = Number(field.type_params.find((param) => param.key === key)?.value);
    return Number.isSafeInteger(value) ? value : null;
  };
  const hasDefault = field.default_value !== null && field.default_value !== undefined;
  return {
    name: field.name,
    type: TYPES[field.data_type] ?? "other",
    nativeType: field.data_type,
    isPrimaryKey: field.is_primary_key,
    isAutoId: field.autoID,
    isNullable: field.nullable,
    isFilled: field.is_function_output || hasDefault,
    isDynamic: false,
    maxBytes: number("max_length"),
    dimensions: TYPES[field.data_type] === "vector" ? number("dim") : null,
  };
}

async function readIndexes(client: MilvusClient, name: string): Promise<readonly ForeignIndex[]> {
  const answer = await client.describeIndex({ collection_name: name });
  if (isWithoutIndex(answer.status)) return [];
  return succeeded(answer).index_descriptions.map(({ field_name, params }) => readIndex(field_name, params));
}

/** Parameters of an index come beside its type, or as JSON within `params`. */
export function readIndex(field: string, params: readonly KeyValue[]): ForeignIndex {
  const values = new Map(params.map(({ key, value }) => [key, String(value)]));
  const lists = Number(values.get("nlist") ?? parsed(values.get("params")).nlist);
  return {
    field,
    type: values.get("index_type") ?? "",
    metric: (values.get("metric_type") ?? "").toUpperCase(),
    lists: Number.isSafeInteger(lists) && lists > 0 ? lists : null,
  };
}

function parsed(json: string | undefined): { readonly nlist?: unknown } {
  try {
    return (JSON.parse(json ?? "{}") as { readonly nlist?: unknown } | null) ?? {};
  } catch {
    return {};
  }
}

async function readRows(
  client: MilvusClient,
  name: string,
  key: ForeignField,
  fields: readonly string[],
  limit: number | null,
): Promise<readonly Answered[]> {
  if (fields.length === 0) return [];
  const request = {
    collection_name: name,
    filter: everyRow(key.name, key.type),
    output_fields: [...fields],
    consistency_level: CONSISTENCY.bounded as never,
    ...(limit === null ? {} : { limit }),
  };
  return succeeded(await client.query(request)).data;
}

function isUnit(vector: unknown): boolean {
  if (!Array.isArray(vector)) return false;
  let squares = 0;
  for (const component of vector as readonly number[]) squares += component * component;
  return Math.abs(squares - 1) < UNIT_TOLERANCE;
}

/** Keys beside the schema whose values have one type in all rows that were looked at. */
export function dynamicFields(sample: readonly Answered[]): readonly ForeignField[] {
  const types = new Map<string, AttributeType | null>();
  for (const row of sample) {
    for (const [key, value] of Object.entries((row[DYNAMIC_FIELD] ?? {}) as Answered)) {
      if (value === null || (!types.has(key) && types.size >= MAX_DYNAMIC_KEYS)) continue;
      const type = typeof value;
      const attribute = type === "string" || type === "number" || type === "boolean" ? type : null;
      types.set(key, types.has(key) && types.get(key) !== attribute ? null : attribute);
    }
  }
  return [...types].sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, type]) => toField(key, type));
}

function toField(key: string, type: AttributeType | null): ForeignField {
  return type === null ? { ...dynamicField(key, "string"), type: "other", nativeType: "dynamic" } : dynamicField(key, type);
}
