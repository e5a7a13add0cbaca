import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type {
  AdoptedColumn,
  AdoptedFields,
  Adoption,
  AdoptionRequest,
  ForeignCollection,
  ForeignField,
  ForeignIndex,
  ForeignMetric,
} from "./adoption.ts";
import { ATTRIBUTE_KEY, type AttributeSchema, type AttributeType } from "./filter.ts";

type Role = keyof AdoptedFields;
type TextRole = Exclude<Role, "id" | "vector">;

/** Names, in lower case, that people and libraries give to fields of each role. */
const USUAL_NAMES: Readonly<Record<TextRole, readonly string[]>> = {
  text: ["text", "content", "page_content", "body", "chunk", "chunk_text", "chunk_content", "passage", "document_text"],
  documentId: ["document_id", "doc_id", "documentid", "docid", "ref_doc_id", "file_id"],
  title: ["title", "document_title", "doc_title", "heading"],
  url: ["url", "uri", "link", "source_url"],
};
/** A field's name as requests and answers have it. */
export const WIRE_ROLES: Readonly<Record<Role, string>> = {
  id: "id",
  vector: "vector",
  text: "text",
  documentId: "document_id",
  title: "title",
  url: "url",
};
/** A string without a usual name is taken for the text where it is the only one that has room for a passage. */
const MIN_PASSAGE_BYTES = 1_024;
const METRICS: readonly string[] = ["COSINE", "IP", "L2"] satisfies readonly ForeignMetric[];
const MAX_ATTRIBUTES = 256;
const MAX_NAMED = 20;
/** Where rows that are written say which document they belong to, if no field does and the schema is open. */
const OWN_DOCUMENT_KEY = "document_id";

export interface AdoptionContext {
  /** Attributes whose types the caller has declared. */
  readonly declared: AttributeSchema;
  /** Components of the vectors that the collection's model makes, and its name. */
  readonly model: { readonly name: string; readonly dimensions: number };
  readonly language: string;
  /** Texts of collections up to this many rows may be copied to be ranked. */
  readonly maxCopiedRows: number;
}

/**
 * What each field of a foreign collection is for: as it was asked, and guessed where it was not. The primary key is the id,
 * the only vector the vector, strings with a usual name text, document, title and url; all others that can be attributes are.
 * @throws KennelError `invalid_request` that names the candidates where a guess has several, or why it can't be adopted so
 */
export function adoptCollection(foreign: ForeignCollection, request: AdoptionRequest, context: AdoptionContext): Adoption {
  return new Adopting(foreign, request, context).adoption();
}

class Adopting {
  readonly #foreign: ForeignCollection;
  readonly #request: AdoptionRequest;
  readonly #context: AdoptionContext;
  readonly #fields = new Map<string, ForeignField>();

  constructor(foreign: ForeignCollection, request: AdoptionRequest, context: AdoptionContext) {
    this.#foreign = foreign;
    this.#request = request;
    this.#context = context;
    for (const field of foreign.fields) this.#fields.set(field.name, field);
    for (const [key, type] of Object.entries(context.declared)) this.#declare(key, type);
  }

  adoption(): Adoption {
    const { hasDynamicField, hasUnitVectors, textSearches } = this.#foreign;
    const { mode, collection } = this.#request;
    const key = this.#primaryKey();
    const vector = this.#vector();
    const { metric, ...index } = this.#indexOf(vector);
    const isUnit = metric === "COSINE" || hasUnitVectors[vector.name] === true;
    if (metric === "L2" && hasUnitVectors[vector.name] === false) {
      throw refuse(
        "fields.vector",
        `is "${vector.name}", whose vectors are compared by L2 and have not length 1`,
        "vectors of length 1, or the metric COSINE or IP: Kennel asks for a direction",
      );
    }
    const text = this.#text();
    const named = {
      id: key.name,
      vector: vector.name,
      text,
      documentId: this.#named("documentId", [text]),
      title: this.#named("title", [text]),
      url: this.#named("url", [text]),
    };
    this.#refuseTwice(named);
    const fields = mode === "read_write" ? this.#writable(key, named) : named;
    const dimensions = vector.dimensions ?? 0;
    const canEmbed = dimensions === this.#context.model.dimensions;
    if (mode === "read_write" && !canEmbed) {
      const { model } = this.#context;
      throw notWritable(`its vectors have ${dimensions} dimensions, those of model "${model.name}" ${model.dimensions}`);
    }
    const { attributes, ignored } = this.#others(fields);
    if (mode === "read_write") this.#refuseUnfilled(fields, attributes);
    const textSearch = textSearches.find(({ field }) => field === fields.text)?.by ?? null;
    return {
      collection,
      mode,
      fields,
      columns: this.#columns(fields, attributes),
      attributes,
      ignored,
      hasDynamicField,
      dimensions,
      metric,
      index,
      isUnit,
      textSearch,
      lexical: textSearch === null ? this.#lexical(fields) : "store",
      language: this.#context.language,
      canEmbed,
    };
  }

  /** An attribute that the caller declares: a field of this type, or a key of rows that are open to any. */
  #declare(key: string, type: AttributeType): void {
    const known = this.#fields.get(key);
    const held = known === undefined ? null : attributeTypeOf(known);
    if (known !== undefined && held !== type) {
      throw kennelError("invalid_request", {
        param: `attributes.${key}`,
        message: `attributes.${key} is declared a ${type}; allowed: ${held ?? "nothing"}, since "${this.#foreign.name}" has it as ${known.nativeType}`,
      });
    }
    if (known !== undefined) return;
    if (!this.#foreign.hasDynamicField) {
      throw kennelError("invalid_request", {
        param: `attributes.${key}`,
        message: `attributes.${key} is not a field of "${this.#foreign.name}"; allowed: ${this.#names()}`,
      });
    }
    this.#fields.set(key, dynamicField(key, type));
  }

  #primaryKey(): ForeignField {
    const key = [...this.#fields.values()].find(({ isPrimaryKey }) => isPrimaryKey);
    if (key === undefined || (key.type !== "string" && key.type !== "integer")) {
      throw refuse(
        "collection",
        `is "${this.#foreign.name}", which has no primary key that Kennel knows`,
        "one with a VarChar or Int64 key",
      );
    }
    const given = this.#request.fields.id;
    if (given !== undefined && given !== key.name) throw refuse("fields.id", `is ${shown(given)}`, `the primary key, ${key.name}`);
    return key;
  }

  #vector(): ForeignField {
    const vectors = [...this.#fields.values()].filter(({ type }) => type === "vector");
    const given = this.#request.fields.vector;
    const found = given === undefined ? vectors[0] : vectors.find(({ name }) => name === given);
    if (found === undefined) {
      const allowed = vectors.length === 0 ? "a collection with a FloatVector" : namesOf(vectors);
      throw refuse("fields.vector", given === undefined ? "has no candidate" : `is ${shown(given)}`, allowed);
    }
    if (given === undefined && vectors.length > 1) throw ambiguous("vector", vectors);
    return found;
  }

  #indexOf({ name }: ForeignField): Omit<ForeignIndex, "metric" | "field"> & { readonly metric: ForeignMetric } {
    const index = this.#foreign.indexes.find(({ field }) => field === name);
    if (index === undefined)
      throw refuse("fields.vector", `is "${name}", which has no index`, "a vector with an index; make one in the vector store");
    const { type, lists, metric } = index;
    if (!METRICS.includes(metric)) throw refuse("fields.vector", `is "${name}", compared by ${metric}`, METRICS.join(", "));
    return { type, lists, metric: metric as ForeignMetric };
  }

  /** A text that the store ranks is the text; else one with a usual name, else the only string with room for a passage. */
  #text(): string | null {
    if (this.#request.fields.text !== undefined) return this.#given("text", this.#request.fields.text);
    const ranked = this.#strings().filter(({ name }) => this.#foreign.textSearches.some(({ field }) => field === name));
    if (ranked.length === 1) return ranked[0]?.name ?? null;
    const usual = this.#named("text", []);
    if (usual !== null) return usual;
    const others = (["documentId", "title", "url"] as const).flatMap((role) => USUAL_NAMES[role]);
    const roomy = this.#strings().filter(
      ({ name, maxBytes, isDynamic }) => !isDynamic && (maxBytes ?? 0) >= MIN_PASSAGE_BYTES && !others.includes(name.toLowerCase()),
    );
    if (roomy.length > 1) throw ambiguous("text", roomy);
    return roomy[0]?.name ?? null;
  }

  #named(role: TextRole, taken: readonly (string | null)[]): string | null {
    const given = this.#request.fields[role];
    if (given !== undefined) return this.#given(role, given);
    const isFor = ({ name, type }: ForeignField) => type === "string" || (role === "documentId" && type === "integer" && name !== "");
    const found = [...this.#fields.values()].filter(
      (field) => isFor(field) && !field.isPrimaryKey && !taken.includes(field.name) && USUAL_NAMES[role].includes(field.name.toLowerCase()),
    );
    if (found.length > 1) throw ambiguous(role, found);
    return found[0]?.name ?? null;
  }

  #given(role: TextRole, name: string | null): string | null {
    if (name === null) return null;
    const field = this.#fields.get(name);
    if (field === undefined && this.#foreign.hasDynamicField) {
      this.#fields.set(name, dynamicField(name, "string"));
      return name;
    }
    const isRight = field?.type === "string" || (role === "documentId" && field?.type === "integer");
    if (!isRight || field?.isPrimaryKey) {
      const allowed = namesOf(this.#strings().filter(({ isPrimaryKey }) => !isPrimaryKey));
      throw refuse(`fields.${WIRE_ROLES[role]}`, `is ${shown(name)}`, `a string of "${this.#foreign.name}": ${allowed}`);
    }
    return name;
  }

  #refuseTwice(fields: AdoptedFields): void {
    const seen = new Map<string, Role>();
    for (const [role, name] of Object.entries(fields) as [Role, string | null][]) {
      if (name === null) continue;
      const other = seen.get(name);
      if (other !== undefined)
        throw refuse(`fields.${WIRE_ROLES[role]}`, `is "${name}" as is ${WIRE_ROLES[other]}`, "another field, or null");
      seen.set(name, role);
    }
  }

  /** Rows are found again by their id and their document: both must be Kennel's to give. */
  #writable(key: ForeignField, fields: AdoptedFields): AdoptedFields {
    if (key.isAutoId)
      throw notWritable(`the store gives its primary key "${key.name}" (autoID), so that no row could be written a second time`);
    if (key.type !== "string") throw notWritable(`its primary key "${key.name}" is ${key.nativeType}, and Kennel's ids are strings`);
    if (fields.text === null) throw notWritable("no field is there for the text; name one in adopt.fields.text");
    const { documentId } = fields;
    if (documentId !== null && this.#fields.get(documentId)?.type === "string") return fields;
    const isFree = documentId === null && this.#request.fields.documentId === undefined && !this.#fields.has(OWN_DOCUMENT_KEY);
    if (!isFree || !this.#foreign.hasDynamicField)
      throw notWritable("no string field says which document a row belongs to; name one in adopt.fields.document_id");
    this.#fields.set(OWN_DOCUMENT_KEY, dynamicField(OWN_DOCUMENT_KEY, "string"));
    return { ...fields, documentId: OWN_DOCUMENT_KEY };
  }

  #refuseUnfilled(fields: AdoptedFields, attributes: AttributeSchema): void {
    const filled = new Set([...Object.values(fields), ...Object.keys(attributes)]);
    const unfilled = this.#foreign.fields.filter(
      ({ name, isNullable, isFilled, isDynamic }) => !filled.has(name) && !isNullable && !isFilled && !isDynamic,
    );
    if (unfilled.length > 0) throw notWritable(`its rows need ${namesOf(unfilled)}, which documents can't bring`);
  }

  #others(fields: AdoptedFields): Pick<Adoption, "attributes" | "ignored"> {
    const taken = new Set(Object.values(fields));
    const attributes: [string, AttributeType][] = [];
    const ignored: { field: string; type: string }[] = [];
    for (const field of this.#fields.values()) {
      if (taken.has(field.name)) continue;
      const type = attributeTypeOf(field);
      const isAttribute =
        type !== null && ATTRIBUTE_KEY.test(field.name) && field.name !== "__proto__" && attributes.length < MAX_ATTRIBUTES;
      if (isAttribute) attributes.push([field.name, type]);
      else ignored.push({ field: field.name, type: field.nativeType });
    }
    return { attributes: Object.fromEntries(attributes), ignored };
  }

  #columns(fields: AdoptedFields, attributes: AttributeSchema): Adoption["columns"] {
    const { vector: _, ...read } = fields;
    const names = [...Object.values(read), ...Object.keys(attributes)].filter((name) => name !== null);
    return Object.fromEntries(names.map((name) => [name, columnOf(this.#fields.get(name) as ForeignField)]));
  }

  #lexical({ text }: AdoptedFields): Adoption["lexical"] {
    return text === null || (this.#foreign.rows ?? 0) > this.#context.maxCopiedRows ? "none" : "replica";
  }

  #strings(): readonly ForeignField[] {
    return [...this.#fields.values()].filter(({ type }) => type === "string");
  }

  #names(): string {
    return namesOf([...this.#fields.values()]);
  }
}

function columnOf({ type, isDynamic, isNullable, isFilled, maxBytes }: ForeignField): AdoptedColumn {
  const isRequired = !isDynamic && !isNullable && !isFilled;
  return { type: type as AdoptedColumn["type"], isDynamic, isNullable, isRequired, maxBytes };
}

function attributeTypeOf({ type }: ForeignField): AttributeType | null {
  if (type === "string" || type === "boolean") return type;
  return type === "integer" || type === "float32" || type === "number" ? "number" : null;
}

/** A key that rows may have beside the fields of the schema. */
export function dynamicField(name: string, type: AttributeType): ForeignField {
  return {
    name,
    type,
    nativeType: `dynamic ${type}`,
    isPrimaryKey: false,
    isAutoId: false,
    isNullable: true,
    isFilled: false,
    isDynamic: true,
    maxBytes: null,
    dimensions: null,
  };
}

function ambiguous(role: Role, candidates: readonly ForeignField[]): KennelError {
  return refuse(
    `fields.${WIRE_ROLES[role]}`,
    "has several candidates",
    `one of ${namesOf(candidates)}${role === "vector" ? "" : ", or null"}`,
  );
}

function notWritable(why: string): KennelError {
  return refuse("mode", `is read_write, and ${why}`, "read_only");
}

function refuse(field: string, given: string, allowed: string): KennelError {
  const param = `adopt.${field}`;
  return kennelError("invalid_request", { param, message: `${param} ${given}; allowed: ${allowed}` });
}

function namesOf(fields: readonly ForeignField[]): string {
  if (fields.length === 0) return "none, as there is no such field";
  const names = fields.slice(0, MAX_NAMED).map(({ name }) => name);
  return fields.length > MAX_NAMED ? `${names.join(", ")} and ${fields.length - MAX_NAMED} more` : names.join(", ");
}

function shown(value: string | null): string {
  return value === null ? "null" : JSON.stringify(value.slice(0, 64));
}
