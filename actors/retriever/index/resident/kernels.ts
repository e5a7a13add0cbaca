import { readFile } from "node:fs/promises";

/**
 * The inner loops in WebAssembly over one memory. Addresses are bytes into that memory; nothing is checked in there, so
 * only this folder calls them. What each computes stands in kernels.as.ts and, in plain TypeScript, in its tests.
 */
export interface Kernels {
  /** scores[rows[i]] += weight x impacts[i], in f32. */
  accumulate(rows: number, impacts: number, count: number, weight: number, scores: number): void;
  /** The best positive scores whose mask is 1; clears `scores`. @returns how many are on the heap */
  collect(scores: number, mask: number, rows: number, heap: number, limit: number): number;
  /** The best scaled products of the query with every row. @returns how many are on the heap */
  scan(vectors: number, scales: number, mask: number, rows: number, stride: number, query: number, heap: number, limit: number): number;
  /** The same for listed rows, in rising order. */
  scanListed(
    vectors: number,
    scales: number,
    mask: number,
    listed: number,
    count: number,
    stride: number,
    query: number,
    heap: number,
    limit: number,
  ): number;
  /** Every row's scaled product. */
  scoreAll(vectors: number, scales: number, rows: number, stride: number, query: number, scores: number): void;
  /** Estimates of every row's product from its 1-bit vector, as u16. */
  estimate(blocks: number, rows: number, groups: number, tables: number, estimates: number): void;
  /** The `wanted` rows of greatest estimate whose mask is 1, lower rows first among equals; listed in rising order. @returns how many */
  select(estimates: number, mask: number, rows: number, wanted: number, levels: number, histogram: number, selected: number): number;
  /** Empties the heap into two lists, best first. */
  drain(heap: number, size: number, rows: number, scores: number): void;
}

/** Compiled once a process; every index makes an instance of it over its own memory. */
export type KernelModule = WebAssembly.Module;

export async function loadKernels(): Promise<KernelModule> {
  return WebAssembly.compile(await readFile(new URL("./kernels.wasm", import.meta.url)));
}

export function bindKernels(module: KernelModule, memory: WebAssembly.Memory): Kernels {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as Kernels;
}
