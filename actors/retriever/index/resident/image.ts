import type { AttributeType } from "../../../vector_store/filter.ts";
import type { ParentText, ReadyPassage } from "../passage.ts";
import type { Column, Columns } from "./columns.ts";
import { bytesOf, float32Of, float64Of, int8Of, type Region, uint32Of } from "./memory.ts";
import { OWN_TEXT, UNKNOWN_TEXT } from "./parent_texts.ts";
import { TermTable } from "./term_table.ts";

/**
 * The base of an index: everything about its rows in one run of bytes, which is also what a snapshot holds. Rows stand in
 * the order of their ids and do not change; what was written later lies in a delta until the next merge.
 */
export interface IndexImage {
  /** Starts with the image; the rest is scratch of who searches it. */
  readonly memory: WebAssembly.Memory;
  readonly header: ImageHeader;
}

export interface ImageHeader {
  readonly indexVersion: number;
  readonly language: string;
  readonly dimensions: number;
  readonly rows: number;
  /** Terms of an average row, with repeats; the impacts are made with it. */
  readonly averageLength: number;
  /** Bytes of the image from the start of the memory. */
  readonly bytes: number;
  readonly sections: Readonly<Record<Section, Region>>;
  readonly columns: readonly ImageColumn[];
}

export const SECTIONS = [
  /** i8, `stride` a row; rows are padded to a multiple of 32 wherever a kernel reads them. */
  "vectors",
  /** f32 a row; NaN: the row has no vector. */
  "scales",
  /** 1-bit vectors in blocks of 32 rows; empty: the index is small enough to be scanned. */
  "bits",
  /** u32 a term and one more: where its postings begin. */
  "postingStarts",
  /** u32 a posting: the row. */
  "postingRows",
  /** u8 a posting: what the term adds to the row's score, see bm25.ts. */
  "impacts",
  /** u32 a row: terms with repeats. */
  "lengths",
  /** Terms, see term_table.ts. */
  "terms",
  /** u32 a term and one more: where it begins. */
  "termStarts",
  /** u32, a power of two of them: the terms' hash table. */
  "termSlots",
  /** u32 a row and one more: where its passage begins. */
  "passageStarts",
  /** u32 a row: `textAt` of its passage. */
  "textAts",
  /** u32 a row: `attributesAt` of its passage. */
  "attributesAts",
  /** The passages, see passage.ts. */
  "passages",
  /** u32 a row: the parent whose text it can show, or a number of parent_texts.ts; empty: every row shows its own. */
  "parentNumbers",
  /** u32 a parent and one more: where its text begins; empty without parents. */
  "parentStarts",
  /** The parents' texts as parts of a hit, see passage.ts. */
  "parents",
  /** f64 a row: wall time of the document's last change. */
  "updatedAts",
] as const;
export type Section = (typeof SECTIONS)[number];

export interface ImageColumn {
  readonly key: string;
  readonly type: AttributeType;
  readonly cells: Region;
  /** JSON of a list of strings; empty for other types. */
  readonly dictionary: Region;
}

/** An image, read: views of its sections, its terms by name. */
export class ImageReader {
  readonly image: IndexImage;
  readonly postingStarts: Uint32Array;
  readonly updatedAts: Float64Array;
  readonly columns: Columns;
  readonly terms: TermTable;
  readonly #passageStarts: Uint32Array;
  readonly #textAts: Uint32Array;
  readonly #attributesAts: Uint32Array;
  readonly #parentNumbers: Uint32Array;
  readonly #parentStarts: Uint32Array;

  constructor(image: IndexImage) {
    const { memory, header } = image;
    const { sections } = header;
    this.image = image;
    this.postingStarts = uint32Of(memory, sections.postingStarts);
    this.updatedAts = float64Of(memory, sections.updatedAts);
    this.columns = new ImageColumns(image);
    this.terms = new TermTable(memory, sections.terms, sections.termStarts, sections.termSlots);
    this.#passageStarts = uint32Of(memory, sections.passageStarts);
    this.#textAts = uint32Of(memory, sections.textAts);
    this.#attributesAts = uint32Of(memory, sections.attributesAts);
    this.#parentNumbers = uint32Of(memory, sections.parentNumbers);
    this.#parentStarts = uint32Of(memory, sections.parentStarts);
  }

  get rows(): number {
    return this.image.header.rows;
  }

  /** A view: copy it before it is decoded or outlives the turn. */
  passage(row: number): ReadyPassage {
    const start = this.#passageStarts[row] as number;
    const end = this.#passageStarts[row + 1] as number;
    const { offset } = this.image.header.sections.passages;
    return {
      bytes: bytesOf(this.image.memory, { offset: offset + start, bytes: end - start }),
      textAt: this.#textAts[row] as number,
      attributesAt: this.#attributesAts[row] as number,
    };
  }

  /** A view, as `passage` gives. */
  parentText(row: number): ParentText {
    const number = this.parentNumber(row);
    return number === OWN_TEXT ? "own" : number === UNKNOWN_TEXT ? "unknown" : this.parent(number);
  }

  /** The parent whose text a row can show; `OWN_TEXT` or `UNKNOWN_TEXT`: none. */
  parentNumber(row: number): number {
    return this.#parentNumbers[row] ?? OWN_TEXT;
  }

  parent(number: number): Uint8Array {
    const start = this.#parentStarts[number] as number;
    const { offset } = this.image.header.sections.parents;
    return bytesOf(this.image.memory, { offset: offset + start, bytes: (this.#parentStarts[number + 1] as number) - start });
  }

  names(row: number): RowNames {
    const { bytes, textAt } = this.passage(row);
    return readNames(bytes.slice(0, textAt));
  }

  /** Its id alone, which a search for a row reads many of: a part of what `names` has to parse. */
  id(row: number): string {
    const { bytes } = this.passage(row);
    let end = ID_AT;
    let hasEscapes = false;
    while (bytes[end] !== QUOTE) {
      if (bytes[end] === BACKSLASH) {
        hasEscapes = true;
        end++; // what follows is no end
      }
      end++;
    }
    const text = decoder.decode(bytes.slice(ID_AT, end));
    return hasEscapes ? JSON.parse(`"${text}"`) : text;
  }

  /** The first row whose id is not before `id`. */
  lowerBound(id: string): number {
    let low = 0;
    let high = this.rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.id(middle) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where a passage's id begins: behind `{"id":"`. */
const ID_AT = 7;
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** Who a row is, as written at the start of its passage. */
export interface RowNames {
  readonly id: string;
  readonly documentId: string;
  readonly parentId: string | null;
}

const decoder = new TextDecoder();

/** Term texts by number. */
export function readTerms({ memory, header }: IndexImage): string[] {
  const { terms } = header.sections;
  // A decoder takes no shared bytes.
  return terms.bytes === 0 ? [] : decoder.decode(bytesOf(memory, terms).slice(0, -1)).split("\n");
}

function readNames(head: Uint8Array): RowNames {
  const { id, document_id, parent_id } = JSON.parse(`${decoder.decode(head)}}`);
  return { id, documentId: document_id, parentId: parent_id };
}

/** Read when a filter first asks for one: a dictionary may hold a string a row. */
class ImageColumns implements Columns {
  readonly #image: IndexImage;
  readonly #read = new Map<string, Column>();

  constructor(image: IndexImage) {
    this.#image = image;
  }

  get(key: string): Column | undefined {
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    const column = this.#image.header.columns.find((each) => each.key === key);
    if (column === undefined) return undefined;
    const read = readColumn(this.#image.memory, column);
    this.#read.set(key, read);
    return read;
  }
}

function readColumn(memory: WebAssembly.Memory, { type, cells, dictionary }: ImageColumn): Column {
  switch (type) {
    case "string":
      return { type, codes: uint32Of(memory, cells), dictionary: JSON.parse(decoder.decode(bytesOf(memory, dictionary).slice())) };
    case "number":
      return { type, values: float64Of(memory, cells) };
    default:
      return { type, states: bytesOf(memory, cells) };
  }
}

/** The kernels read whole steps: rows up to here are there, without a vector. Whole blocks of 1-bit vectors, too. */
export function paddedRows(rows: number): number {
  return Math.ceil(rows / 32) * 32;
}

export function vectorsOf({ memory, header }: IndexImage): { readonly values: Int8Array; readonly scales: Float32Array } {
  return { values: int8Of(memory, header.sections.vectors), scales: float32Of(memory, header.sections.scales) };
}
