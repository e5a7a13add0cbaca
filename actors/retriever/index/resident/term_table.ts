import { bytesOf, type Region, uint32Of } from "./memory.ts";

const encoder = new TextEncoder();
const SEPARATOR = 0x0a;

/** Terms as an image holds them: their text, where each begins, and a hash table that finds them. */
export interface EncodedTerms {
  /** UTF-8, in the order of their numbers, `\n` behind each. */
  readonly text: Uint8Array;
  /** Where each begins, and where the last one ends. */
  readonly starts: Uint32Array;
  /** Number + 1 of a term by its hash, with open addressing; 0: free. At most half are taken. */
  readonly slots: Uint32Array;
}

export function encodeTerms(terms: readonly string[]): EncodedTerms {
  const text = encoder.encode(terms.map((term) => `${term}\n`).join(""));
  const starts = new Uint32Array(terms.length + 1);
  const slots = new Uint32Array(2 ** (33 - Math.clz32(Math.max(1, terms.length))));
  let number = 0;
  for (let at = 0; at < text.length; at++) if (text[at] === SEPARATOR) starts[++number] = at + 1;
  const last = slots.length - 1;
  for (const [at, term] of terms.entries()) {
    let slot = slotOf(term, last);
    while (slots[slot] !== 0) slot = (slot + 1) & last;
    slots[slot] = at + 1;
  }
  return { text, starts, slots };
}

/**
 * Finds terms in the memory itself: a map of them would have to be made whenever an index is opened, and would hold the event
 * loop for tens of milliseconds.
 */
export class TermTable {
  readonly #text: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #slots: Uint32Array;

  constructor(memory: WebAssembly.Memory, text: Region, starts: Region, slots: Region) {
    this.#text = bytesOf(memory, text);
    this.#starts = uint32Of(memory, starts);
    this.#slots = uint32Of(memory, slots);
  }

  /** Undefined: no row has it. */
  numberOf(term: string): number | undefined {
    const last = this.#slots.length - 1;
    for (let slot = slotOf(term, last); ; slot = (slot + 1) & last) {
      const taken = this.#slots[slot] as number;
      if (taken === 0) return undefined;
      if (this.#is(taken - 1, term)) return taken - 1;
    }
  }

  #is(number: number, term: string): boolean {
    const start = this.#starts[number] as number;
    const bytes = (this.#starts[number + 1] as number) - start - 1;
    if (bytes < term.length) return false; // a UTF-16 unit takes at least one byte
    for (let at = 0; at < term.length; at++) {
      const unit = term.charCodeAt(at);
      if (unit > 127) return this.#isEncoded(start, bytes, term);
      if (this.#text[start + at] !== unit) return false;
    }
    return bytes === term.length;
  }

  #isEncoded(start: number, bytes: number, term: string): boolean {
    const encoded = encoder.encode(term);
    return encoded.length === bytes && encoded.every((byte, at) => this.#text[start + at] === byte);
  }
}

/** FNV-1a over the term's UTF-16 units, spread over the slots by its high bits. */
function slotOf(term: string, last: number): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < term.length; at++) hash = Math.imul(hash ^ term.charCodeAt(at), 0x0100_0193);
  return Math.imul(hash ^ (hash >>> 15), 0x9e37_79b1) >>> Math.clz32(last);
}
