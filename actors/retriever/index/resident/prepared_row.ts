import { kennelError } from "../../../../runtime/errors.ts";
import type { Attributes } from "../../../vector_store/filter.ts";
import type { ChunkRow } from "../../../vector_store/vector_store.ts";
import { type ParentText, type ReadyPassage, readyPassage } from "../passage.ts";
import type { Analyzer } from "./analyzer.ts";
import { cellsOf } from "./columns.ts";
import type { ParentWriter } from "./parent_texts.ts";
import { quantizeVector, strideOf } from "./quantization.ts";

/** A chunk as the index keeps it until the next merge: analysed, quantised and written as JSON. Plain data, so that it can go to a thread. */
export interface PreparedRow {
  readonly id: string;
  readonly documentId: string;
  readonly parentId: string | null;
  readonly passage: ReadyPassage;
  readonly parentText: ParentText;
  /** Null: the chunk has no vector and is found lexically only. */
  readonly vector: Int8Array | null;
  readonly scale: number;
  readonly terms: readonly string[];
  /** How often each term stands in the chunk, in the order of `terms`. */
  readonly counts: readonly number[];
  /** Terms with repeats. */
  readonly length: number;
  /** With its principals, see columns.ts. */
  readonly cells: Attributes;
  readonly principals: readonly string[];
  readonly updatedAtMs: number;
}

/** @throws KennelError `invalid_request` when the vector has another number of dimensions than the index */
export function prepareRow(row: ChunkRow, analyzer: Analyzer, dimensions: number, parents: ParentWriter): PreparedRow {
  if (row.vector !== null && row.vector.length !== dimensions) {
    throw kennelError("invalid_request", {
      param: "vector",
      message: `vector of ${JSON.stringify(row.id)} has ${row.vector.length} dimensions; allowed: ${dimensions}`,
    });
  }
  const quantized = row.vector === null ? null : quantizeVector(row.vector, strideOf(dimensions));
  const { counts, length } = analyzer.analyze(row.indexText);
  return {
    id: row.id,
    documentId: row.documentId,
    parentId: row.parentId,
    passage: readyPassage(row),
    parentText: parents.of(row),
    vector: quantized?.values ?? null,
    scale: quantized?.scale ?? Number.NaN,
    terms: [...counts.keys()],
    counts: [...counts.values()],
    length,
    cells: cellsOf(row.attributes, row.principals),
    principals: row.principals,
    updatedAtMs: row.updatedAtMs,
  };
}

/** The order of rows, and of hits with equal scores: by UTF-16 units, as the other indexes compare ids. */
export function compareIds(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
