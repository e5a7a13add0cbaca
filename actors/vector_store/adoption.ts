import type { AttributeSchema, Filter } from "./filter.ts";

/** Collections of a vector store that something else than Kennel has made, and how Kennel searches one as it is. */

/** `float32` and `integer` are numbers for who asks; a store compares them in other ways. `other`: Kennel has no use for it. */
export type ForeignType = "string" | "integer" | "float32" | "number" | "boolean" | "vector" | "other";

export interface ForeignField {
  readonly name: string;
  readonly type: ForeignType;
  /** As the store calls it: `VarChar`, `Int64`. */
  readonly nativeType: string;
  readonly isPrimaryKey: boolean;
  /** The store gives the primary key of a new row. */
  readonly isAutoId: boolean;
  readonly isNullable: boolean;
  /** The store fills it where a row has none: it has a default, or makes it out of other fields. */
  readonly isFilled: boolean;
  /** A key that rows have beside the fields of the schema, and was seen in some of them. */
  readonly isDynamic: boolean;
  /** UTF-8 bytes of a string; null: no limit is known. */
  readonly maxBytes: number | null;
  /** Components of a vector; null: it is none. */
  readonly dimensions: number | null;
}

export type ForeignMetric = "COSINE" | "IP" | "L2";

export interface ForeignIndex {
  readonly field: string;
  /** `HNSW`, `IVF_FLAT`, as the store calls it. */
  readonly type: string;
  readonly metric: string;
  /** Clusters of an inverted file; null: it has none. */
  readonly lists: number | null;
}

/** A collection as its store describes it, and what a look at some of its rows has added. */
export interface ForeignCollection {
  readonly name: string;
  readonly fields: readonly ForeignField[];
  /** Rows may have keys that the schema does not know. */
  readonly hasDynamicField: boolean;
  readonly indexes: readonly ForeignIndex[];
  /** Texts that the store ranks by BM25, and the field that it is asked by. */
  readonly textSearches: readonly { readonly field: string; readonly by: string }[];
  /** Null: it is not in the store's memory, where rows can be looked at. */
  readonly rows: number | null;
  /** Whether all vectors that were looked at have length 1, by field; a field without an entry was not looked at. */
  readonly hasUnitVectors: Readonly<Record<string, boolean>>;
}

/** What a field of the foreign collection is for; null: it has none for this. */
export interface AdoptedFields {
  readonly id: string;
  readonly vector: string;
  readonly text: string | null;
  /** Which document a row belongs to; without one each row is a document. */
  readonly documentId: string | null;
  readonly title: string | null;
  readonly url: string | null;
}

/** A field that is read, filtered by or written. */
export interface AdoptedColumn {
  readonly type: Exclude<ForeignType, "vector" | "other">;
  readonly isDynamic: boolean;
  readonly isNullable: boolean;
  /** Every row that is written must bring it. */
  readonly isRequired: boolean;
  readonly maxBytes: number | null;
}

export type AdoptionMode = "read_only" | "read_write";

/** A foreign collection under the name of one of Kennel's, with all that searching and writing it needs to know. */
export interface Adoption {
  /** As the store calls it. */
  readonly collection: string;
  readonly mode: AdoptionMode;
  readonly fields: AdoptedFields;
  /** The fields above but the vector, and those of `attributes`, by name. */
  readonly columns: Readonly<Record<string, AdoptedColumn>>;
  readonly attributes: AttributeSchema;
  /** Fields that are left alone. */
  readonly ignored: readonly { readonly field: string; readonly type: string }[];
  readonly hasDynamicField: boolean;
  readonly dimensions: number;
  readonly metric: ForeignMetric;
  readonly index: Omit<ForeignIndex, "field" | "metric">;
  /** All vectors have length 1, as far as was looked: distances are then cosines. */
  readonly isUnit: boolean;
  /** What BM25 is asked by; null: the store does not rank these texts. */
  readonly textSearch: string | null;
  /** Who ranks its texts: the store, a copy of them beside it, or nobody. */
  readonly lexical: "store" | "replica" | "none";
  /** How words are analysed where it is the copy that ranks them. */
  readonly language: string;
  /** The collection's model makes vectors of this many components; where it does not, only a vector can be asked. */
  readonly canEmbed: boolean;
}

/** What somebody who adopts a collection asks for; fields that are left out are guessed, null means none. */
export interface AdoptionRequest {
  readonly collection: string;
  readonly mode: AdoptionMode;
  readonly fields: { readonly [Role in keyof AdoptedFields]?: string | null };
}

/** A document as the rows of an adopted collection tell of it. */
export interface AdoptedDocument {
  readonly title: string;
  readonly url: string;
  readonly text: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly rows: number;
}

/** The side of a store that shows what others have made in it. Every method rejects with a `KennelError`. */
export interface ForeignCollections {
  /** Names of collections that are not Kennel's, in order, at most 1,000. */
  list(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Describes a collection, by its name or an alias of it, and looks at its first rows where it is in the store's memory.
   * @param isToLoad whether to bring it there
   */
  inspect(collection: string, isToLoad: boolean, signal: AbortSignal): Promise<ForeignCollection>;
  /** At most `limit` documents whose rows match, by id; with `after` those that come after it. */
  matchDocuments(adoption: Adoption, filter: Filter, limit: number, signal: AbortSignal): Promise<readonly string[]>;
  /** Those of the documents that have rows. At most 1,000. */
  heldDocuments(adoption: Adoption, ids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  /** The document's rows put together, the first 1,000 in the order of their ids; null: there are none. */
  readDocument(adoption: Adoption, id: string, signal: AbortSignal): Promise<AdoptedDocument | null>;
}

/** Which of Kennel's collections are adopted. The catalog knows; the store, which is there before it, is told how to ask. */
export class Adoptions {
  #lookUp: (collection: string) => Adoption | null = () => null;

  follow(lookUp: (collection: string) => Adoption | null): void {
    this.#lookUp = lookUp;
  }

  of(collection: string): Adoption | null {
    return this.#lookUp(collection);
  }
}
