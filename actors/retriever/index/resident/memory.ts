import { kennelError } from "../../../../runtime/errors.ts";

const PAGE_BYTES = 65_536;
/** The format's own limit: 4 GiB. Only address space is reserved for it. */
const MAX_PAGES = 65_536;
const ALIGNMENT = 16;

/** A place within the memory. */
export interface Region {
  readonly offset: number;
  readonly bytes: number;
}

export const NO_REGION: Region = { offset: 0, bytes: 0 };

export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** @throws KennelError `storage_full` when the runtime refuses the memory */
export function allocateMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.max(1, Math.ceil(bytes / PAGE_BYTES));
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: MAX_PAGES, shared: true });
  } catch (cause) {
    throw refused(bytes, cause);
  }
}

/**
 * Hands out regions of one shared memory, growing it as needed; nothing is given back. A view made before `reserve` still
 * shows the same bytes, since the memory only ever gets longer.
 */
export class MemoryArena {
  readonly memory: WebAssembly.Memory;
  #used: number;

  /** @param used bytes from the start that are taken already */
  constructor(memory: WebAssembly.Memory, used: number) {
    this.memory = memory;
    this.#used = aligned(used);
  }

  get bytes(): number {
    return this.memory.buffer.byteLength;
  }

  /** Zeroed, aligned for every number type. @throws KennelError `storage_full` when the memory can't grow */
  reserve(bytes: number): Region {
    const end = this.#used + aligned(bytes);
    const lacking = end - this.memory.buffer.byteLength;
    if (lacking > 0) this.#grow(lacking);
    const region = { offset: this.#used, bytes };
    this.#used = end;
    return region;
  }

  #grow(bytes: number): void {
    try {
      this.memory.grow(Math.ceil(bytes / PAGE_BYTES));
    } catch (cause) {
      throw refused(this.#used + bytes, cause);
    }
  }
}

function refused(bytes: number, cause: unknown) {
  return kennelError("storage_full", { message: `Cannot hold the index in memory: ${bytes} bytes were refused`, cause });
}

export function bytesOf(memory: WebAssembly.Memory, { offset, bytes }: Region): Uint8Array {
  return new Uint8Array(memory.buffer, offset, bytes);
}
export function int8Of(memory: WebAssembly.Memory, { offset, bytes }: Region): Int8Array {
  return new Int8Array(memory.buffer, offset, bytes);
}
export function int16Of(memory: WebAssembly.Memory, { offset, bytes }: Region): Int16Array {
  return new Int16Array(memory.buffer, offset, bytes >> 1);
}
export function uint32Of(memory: WebAssembly.Memory, { offset, bytes }: Region): Uint32Array {
  return new Uint32Array(memory.buffer, offset, bytes >> 2);
}
export function float32Of(memory: WebAssembly.Memory, { offset, bytes }: Region): Float32Array {
  return new Float32Array(memory.buffer, offset, bytes >> 2);
}
export function float64Of(memory: WebAssembly.Memory, { offset, bytes }: Region): Float64Array {
  return new Float64Array(memory.buffer, offset, bytes >> 3);
}
