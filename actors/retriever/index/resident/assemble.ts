// Writes images: the live rows of a base and fresh rows become one new base. A first build is the same with an empty base.
//
// Invariants:
//   A1. Rows of the new image stand in the order of their ids; each id once.
//   A2. Base rows keep their order, so a base posting list stays sorted when its rows are renumbered.
//   A3. Impacts are made anew from counts and lengths with the new average length; the old impacts hold the old counts.
import type { AttributeType, AttributeValue } from "../../../vector_store/filter.ts";
import { quantizedImpact } from "./bm25.ts";
import { CELL_BYTES, type ColumnSpec } from "./columns.ts";
import { type ImageColumn, ImageReader, type IndexImage, paddedRows, SECTIONS, type Section, vectorsOf } from "./image.ts";
import { aligned, allocateMemory, bytesOf, float32Of, float64Of, int8Of, NO_REGION, type Region, uint32Of } from "./memory.ts";
import { type GatheredParents, gatherParents } from "./parent_texts.ts";
import { gatherPostings, type Postings, postingMerger } from "./postings.ts";
import type { PreparedRow } from "./prepared_row.ts";
import { bitBytes, strideOf, writeBits } from "./quantization.ts";
import { DROPPED, orderRows, type RowOrder } from "./row_order.ts";
import { type EncodedTerms, encodeTerms } from "./term_table.ts";

export interface AssemblyOptions {
  readonly indexVersion: number;
  readonly language: string;
  readonly dimensions: number;
  /** From this many rows on, 1-bit vectors are kept and searched first. */
  readonly bitsFromRows: number;
}

export interface Base {
  readonly image: IndexImage;
  /** 1 for each row that is still there. */
  readonly alive: Uint8Array;
}

/** Estimates are u16, so more components than this can't be added up. */
const MAX_BIT_STRIDE = 4_096;

/** @throws KennelError `storage_full` when the runtime refuses the memory */
export function assembleImage(base: Base | null, fresh: readonly PreparedRow[], options: AssemblyOptions): IndexImage {
  const reader = base === null ? null : new ImageReader(base.image);
  const order = orderRows(reader, base?.alive ?? new Uint8Array(0), fresh);
  const postings = gatherPostings(reader, order);
  const writer = new ImageWriter(reader, order, postings, gatherParents(reader, order), options);
  return writer.write();
}

const encoder = new TextEncoder();

class ImageWriter {
  readonly #reader: ImageReader | null;
  readonly #order: RowOrder;
  readonly #postings: Postings;
  readonly #parents: GatheredParents;
  readonly #options: AssemblyOptions;
  readonly #stride: number;
  #bytes = 0;

  constructor(reader: ImageReader | null, order: RowOrder, postings: Postings, parents: GatheredParents, options: AssemblyOptions) {
    this.#reader = reader;
    this.#order = order;
    this.#postings = postings;
    this.#parents = parents;
    this.#options = options;
    this.#stride = strideOf(options.dimensions);
  }

  write(): IndexImage {
    const terms = encodeTerms(this.#postings.terms);
    const sections = this.#plan(terms);
    const specs = this.#columnSpecs();
    const columns: ImageColumn[] = specs.map(({ spec, dictionary }) => ({
      key: spec.key,
      type: spec.type,
      cells: this.#reserve(this.#order.rows * CELL_BYTES[spec.type]),
      dictionary: dictionary === null ? NO_REGION : this.#reserve(dictionary.bytes.length),
    }));
    const memory = allocateMemory(this.#bytes);
    bytesOf(memory, sections.terms).set(terms.text);
    uint32Of(memory, sections.termStarts).set(terms.starts);
    uint32Of(memory, sections.termSlots).set(terms.slots);
    this.#writeVectors(memory, sections);
    this.#writePassages(memory, sections);
    this.#writeParents(memory, sections);
    const averageLength = this.#writeLengths(memory, sections);
    this.#writePostings(memory, sections, averageLength);
    for (const [at, { spec, dictionary }] of specs.entries()) {
      const column = columns[at] as ImageColumn;
      if (dictionary !== null) bytesOf(memory, column.dictionary).set(dictionary.bytes);
      this.#writeColumn(memory, column, spec, dictionary?.codes ?? new Map());
    }
    const { indexVersion, language, dimensions } = this.#options;
    return {
      memory,
      header: { indexVersion, language, dimensions, rows: this.#order.rows, averageLength, bytes: this.#bytes, sections, columns },
    };
  }

  #reserve(bytes: number): Region {
    const region = { offset: this.#bytes, bytes };
    this.#bytes += aligned(bytes);
    return region;
  }

  #plan(terms: EncodedTerms): Record<Section, Region> {
    const { rows } = this.#order;
    const padded = paddedRows(rows);
    const hasBits = rows >= this.#options.bitsFromRows && this.#stride <= MAX_BIT_STRIDE;
    const sizes: Record<Section, number> = {
      vectors: padded * this.#stride,
      scales: padded * 4,
      bits: hasBits ? bitBytes(rows, this.#stride) : 0,
      postingStarts: (this.#postings.terms.length + 1) * 4,
      postingRows: this.#postings.total * 4,
      impacts: this.#postings.total,
      lengths: rows * 4,
      terms: terms.text.length,
      termStarts: terms.starts.byteLength,
      termSlots: terms.slots.byteLength,
      passageStarts: (rows + 1) * 4,
      textAts: rows * 4,
      attributesAts: rows * 4,
      passages: this.#passageBytes(),
      parentNumbers: this.#parents.numbers.byteLength,
      parentStarts: this.#parents.texts.length === 0 ? 0 : (this.#parents.texts.length + 1) * 4,
      parents: this.#parents.texts.reduce((bytes, text) => bytes + text.length, 0),
      updatedAts: rows * 8,
    };
    return Object.fromEntries(SECTIONS.map((name) => [name, this.#reserve(sizes[name])])) as Record<Section, Region>;
  }

  #passageBytes(): number {
    let bytes = 0;
    for (const row of this.#order.fresh) bytes += row.passage.bytes.length;
    this.#eachBaseRow((old) => {
      bytes += this.#base().passage(old).bytes.length;
    });
    return bytes;
  }

  #base(): ImageReader {
    if (this.#reader === null) throw new TypeError("There is no base to read rows from");
    return this.#reader;
  }

  /** Base rows that stay, in order, with their new numbers. */
  #eachBaseRow(visit: (old: number, row: number) => void): void {
    const { fromBase } = this.#order;
    for (let old = 0; old < fromBase.length; old++) {
      const row = fromBase[old] as number;
      if (row !== DROPPED) visit(old, row);
    }
  }

  #eachFreshRow(visit: (fresh: PreparedRow, row: number) => void): void {
    for (const [place, fresh] of this.#order.fresh.entries()) visit(fresh, this.#order.fromFresh[place] as number);
  }

  #writeVectors(memory: WebAssembly.Memory, sections: Record<Section, Region>): void {
    const stride = this.#stride;
    const values = int8Of(memory, sections.vectors);
    const scales = float32Of(memory, sections.scales).fill(Number.NaN);
    const base = this.#reader === null ? null : vectorsOf(this.#reader.image);
    this.#eachBaseRow((old, row) => {
      if (base === null) return;
      values.set(base.values.subarray(old * stride, (old + 1) * stride), row * stride);
      scales[row] = base.scales[old] as number;
    });
    this.#eachFreshRow(({ vector, scale }, row) => {
      if (vector !== null) values.set(vector, row * stride);
      scales[row] = scale;
    });
    if (sections.bits.bytes === 0) return;
    const bits = bytesOf(memory, sections.bits);
    for (let row = 0; row < this.#order.rows; row++) writeBits(values, row * stride, stride, row, bits);
  }

  #writePassages(memory: WebAssembly.Memory, sections: Record<Section, Region>): void {
    const starts = uint32Of(memory, sections.passageStarts);
    const textAts = uint32Of(memory, sections.textAts);
    const attributesAts = uint32Of(memory, sections.attributesAts);
    const updatedAts = float64Of(memory, sections.updatedAts);
    const out = bytesOf(memory, sections.passages);
    const { fromBase, fresh, fromFresh, rows } = this.#order;
    let at = 0;
    let old = 0;
    let place = 0;
    for (let row = 0; row < rows; row++) {
      starts[row] = at;
      while (old < fromBase.length && fromBase[old] === DROPPED) old++;
      const isFresh = fromFresh[place] === row && place < fresh.length;
      const passage = isFresh ? (fresh[place] as PreparedRow).passage : this.#base().passage(old);
      updatedAts[row] = isFresh ? (fresh[place] as PreparedRow).updatedAtMs : (this.#base().updatedAts[old] as number);
      textAts[row] = passage.textAt;
      attributesAts[row] = passage.attributesAt;
      out.set(passage.bytes, at);
      at += passage.bytes.length;
      if (isFresh) place++;
      else old++;
    }
    starts[rows] = at;
  }

  #writeParents(memory: WebAssembly.Memory, sections: Record<Section, Region>): void {
    const { numbers, texts } = this.#parents;
    uint32Of(memory, sections.parentNumbers).set(numbers);
    const starts = uint32Of(memory, sections.parentStarts);
    const out = bytesOf(memory, sections.parents);
    let at = 0;
    for (const [number, text] of texts.entries()) {
      starts[number] = at;
      out.set(text, at);
      at += text.length;
    }
    if (texts.length > 0) starts[texts.length] = at;
  }

  /** @returns the average length */
  #writeLengths(memory: WebAssembly.Memory, sections: Record<Section, Region>): number {
    const lengths = uint32Of(memory, sections.lengths);
    const oldLengths = this.#reader === null ? null : uint32Of(this.#reader.image.memory, this.#reader.image.header.sections.lengths);
    this.#eachBaseRow((old, row) => {
      lengths[row] = oldLengths?.[old] ?? 0;
    });
    this.#eachFreshRow(({ length }, row) => {
      lengths[row] = length;
    });
    let total = 0;
    for (const length of lengths) total += length;
    return lengths.length === 0 ? 0 : total / lengths.length;
  }

  #writePostings(memory: WebAssembly.Memory, sections: Record<Section, Region>, averageLength: number): void {
    const starts = uint32Of(memory, sections.postingStarts);
    const rows = uint32Of(memory, sections.postingRows);
    const impacts = bytesOf(memory, sections.impacts);
    const lengths = uint32Of(memory, sections.lengths);
    let at = 0;
    const put = (row: number, count: number): void => {
      rows[at] = row;
      impacts[at] = quantizedImpact(count, lengths[row] as number, averageLength);
      at++;
    };
    const merge = postingMerger(this.#reader, this.#order, this.#postings, put);
    for (const [number, term] of this.#postings.terms.entries()) {
      starts[number] = at;
      merge(term);
    }
    starts[this.#postings.terms.length] = at;
  }

  #columnSpecs(): readonly { readonly spec: ColumnSpec; readonly dictionary: Dictionary | null }[] {
    const types = new Map<string, AttributeType>();
    for (const { key, type } of this.#reader?.image.header.columns ?? []) types.set(key, type);
    for (const { cells } of this.#order.fresh) {
      for (const [key, value] of Object.entries(cells)) {
        if (!types.has(key)) types.set(key, typeof value as AttributeType);
      }
    }
    return [...types].map(([key, type]) => ({ spec: { key, type }, dictionary: type === "string" ? this.#dictionary(key) : null }));
  }

  #dictionary(key: string): Dictionary {
    const old = this.#reader?.columns.get(key);
    const codes = new Map<string, number>();
    if (old?.type === "string") for (const value of old.dictionary) codes.set(value, codes.size + 1);
    for (const { cells } of this.#order.fresh) {
      const value = cells[key];
      if (typeof value === "string" && !codes.has(value)) codes.set(value, codes.size + 1);
    }
    return { codes, bytes: encoder.encode(JSON.stringify([...codes.keys()])) };
  }

  #writeColumn(memory: WebAssembly.Memory, column: ImageColumn, { key, type }: ColumnSpec, codes: ReadonlyMap<string, number>): void {
    const old = this.#reader?.columns.get(key);
    const cells = { string: uint32Of, number: float64Of, boolean: bytesOf }[type](memory, column.cells);
    if (type === "number") cells.fill(Number.NaN);
    const oldCells = old === undefined ? null : old.type === "string" ? old.codes : old.type === "number" ? old.values : old.states;
    this.#eachBaseRow((from, row) => {
      if (oldCells !== null) cells[row] = oldCells[from] as number;
    });
    this.#eachFreshRow(({ cells: own }, row) => {
      const value = Object.hasOwn(own, key) ? own[key] : undefined;
      if (typeof value === type) cells[row] = cellOf(value as AttributeValue, codes);
    });
  }
}

/** Strings of a column with their codes, and as they are written. */
interface Dictionary {
  readonly codes: ReadonlyMap<string, number>;
  readonly bytes: Uint8Array;
}

function cellOf(value: AttributeValue, codes: ReadonlyMap<string, number>): number {
  if (typeof value === "string") return codes.get(value) ?? 0;
  return typeof value === "number" ? value : value ? 2 : 1;
}
