import { LRUCache } from "lru-cache";

/** What an entry costs beside its value's bytes: the key's header, the maps' slots. */
const ENTRY_OVERHEAD_BYTES = 160;

/**
 * Values by id, bounded by bytes, least recently used out first. A value that was read before `clear` and arrives after
 * it may describe what has changed since, so `put` takes the generation under which the read began.
 */
export class ByteCache<Value extends object> {
  readonly #entries: LRUCache<string, Value> | null;
  #generation = 0;

  /** @param maxBytes 0: nothing is kept */
  constructor(maxBytes: number, bytesOf: (value: Value) => number) {
    this.#entries =
      maxBytes <= 0
        ? null
        : new LRUCache({ maxSize: maxBytes, sizeCalculation: (value, key) => bytesOf(value) + key.length * 2 + ENTRY_OVERHEAD_BYTES });
  }

  get bytes(): number {
    return this.#entries?.calculatedSize ?? 0;
  }

  get generation(): number {
    return this.#generation;
  }

  get(id: string): Value | undefined {
    return this.#entries?.get(id);
  }

  put(id: string, value: Value, generation: number): void {
    if (generation === this.#generation) this.#entries?.set(id, value);
  }

  clear(): void {
    this.#generation++;
    this.#entries?.clear();
  }
}
