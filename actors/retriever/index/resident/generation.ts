import type { AnalyzedText } from "./analyzer.ts";
import { Base } from "./base.ts";
import { inverseDocumentFrequency } from "./bm25.ts";
import { Delta } from "./delta.ts";
import type { IndexImage } from "./image.ts";
import type { KernelModule } from "./kernels.ts";
import type { PreparedRow } from "./prepared_row.ts";
import { strideOf } from "./quantization.ts";

/** Terms of a query that count: its rarest. Bounds what a pasted document can cost. */
const MAX_QUERY_TERMS = 1_024;

/** Afterwards `rows` are all there is of `documentIds`. */
export interface Write {
  readonly documentIds: readonly string[];
  readonly rows: readonly PreparedRow[];
  readonly indexVersion: number;
}

/** A base and what was written since it was made: all of an index between two merges. */
export class Generation {
  readonly base: Base;
  readonly delta: Delta;
  indexVersion: number;
  /** Rows of the base that were let go. */
  #deadBaseRows = 0;

  /** @throws KennelError `storage_full` when the runtime refuses the memory for a search's scratch */
  constructor(image: IndexImage, kernels: KernelModule) {
    this.base = new Base(image, kernels);
    this.delta = new Delta(this.base.arena, strideOf(image.header.dimensions));
    this.indexVersion = image.header.indexVersion;
  }

  /** Rows that a search can bring up. */
  get liveRows(): number {
    return this.base.liveRows + this.delta.liveRows;
  }

  /** Memory held: the shared memory to the byte, what V8 keeps beside it by its own sizes. */
  get bytes(): number {
    return this.base.arena.bytes + this.delta.heapBytes;
  }

  /** Rows that a merge would move from the delta or drop from the base. */
  get unmergedRows(): number {
    return this.delta.rows.length + this.#deadBaseRows;
  }

  /** All or nothing. @throws KennelError `storage_full` when the memory can't grow; then nothing has changed */
  apply({ documentIds, rows, indexVersion }: Write): void {
    this.delta.reserve(rows.length); // the one thing that can fail comes first
    for (const documentId of documentIds) {
      this.delta.killDocument(documentId);
      for (const row of this.base.rowsOf(documentId)) {
        this.base.kill(row);
        this.#deadBaseRows++;
      }
    }
    for (const row of rows) this.delta.append(row);
    this.indexVersion = Math.max(this.indexVersion, indexVersion);
  }

  /**
   * The query's terms that occur, with their idf; one that is repeated counts once, as it does in the store. Rows let go
   * from the base count until the next merge, in the number of chunks as in a term's, so that idf stays consistent.
   */
  weigh({ counts }: AnalyzedText): ReadonlyMap<string, number> {
    const { terms, postingStarts } = this.base.reader;
    const chunks = this.base.rows + this.delta.liveRows;
    const weights: [string, number][] = [];
    for (const term of counts.keys()) {
      const number = terms.numberOf(term);
      const inBase = number === undefined ? 0 : (postingStarts[number + 1] as number) - (postingStarts[number] as number);
      const found = inBase + this.delta.liveRowsWith(term);
      if (found > 0) weights.push([term, inverseDocumentFrequency(chunks, found)]);
    }
    if (weights.length > MAX_QUERY_TERMS) weights.sort((left, right) => right[1] - left[1]).length = MAX_QUERY_TERMS;
    return new Map(weights);
  }
}
