import type { ChatEvent } from "./chat.ts";
import type { Passage } from "./prompt.ts";
import { findQuotation, findSupport, type Span } from "./support.ts";

type Written = Extract<ChatEvent, { readonly kind: "text" | "citation" }>;

/** A mark is held back until it is whole; what is longer is none. */
const MAX_MARK_LENGTH = 600;
const MARK = /^\[(\d{1,3})(?:\s*:\s*["“«](.*)["”»])?\s*\]$/su;
/** What may still become a mark. */
const MARK_BEGINNING = /^\[(?:\d{0,3}\s*|\d{1,3}\s*:\s*(?:["“«].*)?)$/su;
const MAX_STATEMENT_LENGTH = 2_000;

/**
 * Reads an answer as it is written and checks its marks: `[2: "words"]` against the words of passage 2, `[2]` by the words of
 * the statement before it. A supported mark becomes `[2]` and a citation, another one is left out and counted.
 */
export class CitationReader {
  readonly #passages: readonly Passage[];
  #held = "";
  #statement = "";
  #length = 0;
  #dropped = 0;
  #supported = 0;

  constructor(passages: readonly Passage[]) {
    this.#passages = passages;
  }

  get supported(): number {
    return this.#supported;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** @param isLast nothing follows: what is held back is given out */
  read(piece: string, isLast = false): readonly Written[] {
    const written: Written[] = [];
    let rest = this.#held + piece;
    this.#held = "";
    while (rest !== "") {
      const opens = rest.indexOf("[");
      if (opens !== 0) {
        const plain = opens === -1 ? rest : rest.slice(0, opens);
        this.#write(plain, written);
        rest = rest.slice(plain.length);
        continue;
      }
      const mark = wholeMark(rest);
      if (mark !== null) {
        this.#cite(mark, written);
        rest = rest.slice(mark.length);
      } else if (!isLast && rest.length <= MAX_MARK_LENGTH && MARK_BEGINNING.test(rest)) {
        this.#held = rest;
        break;
      } else {
        this.#write("[", written);
        rest = rest.slice(1);
      }
    }
    return written;
  }

  #write(text: string, written: Written[]): void {
    this.#length += text.length;
    this.#statement = (this.#statement + text).slice(-MAX_STATEMENT_LENGTH);
    written.push({ kind: "text", text });
  }

  #cite(mark: string, written: Written[]): void {
    const [, number, quotation] = MARK.exec(mark) as RegExpExecArray;
    const passage = this.#passages[Number(number) - 1];
    const span = passage === undefined ? null : this.#spanOf(passage, quotation);
    if (passage === undefined || span === null) {
      this.#dropped++;
      return;
    }
    this.#supported++;
    const text = `[${Number(number)}]`;
    const start = this.#length;
    this.#length += text.length;
    const { documentId, id: chunkId, title, url } = passage;
    const range = { start, end: this.#length, passageStart: span.start, passageEnd: span.end };
    const quote = passage.text.slice(span.start, span.end).toWellFormed();
    written.push({ kind: "text", text }, { kind: "citation", citation: { documentId, chunkId, title, url, ...range, quote } });
  }

  #spanOf({ text }: Passage, quotation: string | undefined): Span | null {
    if (quotation !== undefined) return findQuotation(text, quotation);
    const sentences = this.#statement.trim().split(/(?<=[.!?])\s+/);
    return findSupport(text, sentences.at(-1) ?? "");
  }
}

/** The shortest beginning that is a mark; null: there is none. A quotation may hold brackets. */
function wholeMark(text: string): string | null {
  for (let at = text.indexOf("]"); at !== -1 && at < MAX_MARK_LENGTH; at = text.indexOf("]", at + 1)) {
    const candidate = text.slice(0, at + 1);
    if (MARK.test(candidate)) return candidate;
  }
  return null;
}
