import type { Kernels } from "../../../../../actors/retriever/index/resident/kernels.ts";

/** What every kernel computes, in plain TypeScript over the same memory: slow, and easy to believe. */
export function twinKernels(memory: WebAssembly.Memory): Kernels {
  const bytes = new Uint8Array(memory.buffer);
  const i8 = new Int8Array(memory.buffer);
  const i16 = new Int16Array(memory.buffer);
  const u16 = new Uint16Array(memory.buffer);
  const u32 = new Uint32Array(memory.buffer);
  const f32 = new Float32Array(memory.buffer);
  const u64 = new BigUint64Array(memory.buffer);

  const scoreOfRow = (vectors: number, scales: number, row: number, stride: number, query: number): number => {
    let sum = 0;
    for (let at = 0; at < stride; at++) sum += (i8[vectors + row * stride + at] as number) * (i16[query / 2 + at] as number);
    return Math.fround(Math.fround(sum) * (f32[scales / 4 + row] as number));
  };

  /** The heap is whatever lies there; only what `drain` makes of it can be seen. */
  const keep = (heap: number, limit: number, found: readonly { row: number; score: number }[]): number => {
    const best = [...found].sort((left, right) => right.score - left.score || left.row - right.row).slice(0, limit);
    for (const [at, { row, score }] of best.entries()) {
      const place = heap / 8 + at;
      u64[place] = (BigInt(new Uint32Array(Float32Array.of(score).buffer)[0] as number) << 32n) | BigInt(row);
    }
    return best.length;
  };

  const rowsOf = (rows: number): number[] => Array.from({ length: rows }, (_, row) => row);

  return {
    accumulate(rows, impacts, count, weight, scores) {
      for (let at = 0; at < count; at++) {
        const cell = scores / 4 + (u32[rows / 4 + at] as number);
        f32[cell] = Math.fround((f32[cell] as number) + Math.fround(Math.fround(weight) * (bytes[impacts + at] as number)));
      }
    },
    collect(scores, mask, rows, heap, limit) {
      const found = rowsOf(rows).map((row) => ({ row, score: f32[scores / 4 + row] as number }));
      f32.fill(0, scores / 4, scores / 4 + rows);
      return keep(
        heap,
        limit,
        found.filter(({ row, score }) => score > 0 && bytes[mask + row] === 1),
      );
    },
    scan(vectors, scales, mask, rows, stride, query, heap, limit) {
      const found = rowsOf(rows).map((row) => ({ row, score: scoreOfRow(vectors, scales, row, stride, query) }));
      return keep(
        heap,
        limit,
        found.filter(({ row, score }) => !Number.isNaN(score) && bytes[mask + row] === 1),
      );
    },
    scanListed(vectors, scales, mask, listed, count, stride, query, heap, limit) {
      const rows = [...u32.subarray(listed / 4, listed / 4 + count)];
      const found = rows.map((row) => ({ row, score: scoreOfRow(vectors, scales, row, stride, query) }));
      return keep(
        heap,
        limit,
        found.filter(({ row, score }) => !Number.isNaN(score) && bytes[mask + row] === 1),
      );
    },
    scoreAll(vectors, scales, rows, stride, query, scores) {
      for (let row = 0; row < rows; row++) f32[scores / 4 + row] = scoreOfRow(vectors, scales, row, stride, query);
    },
    estimate(blocks, rows, groups, tables, estimates) {
      for (let row = 0; row < rows; row++) {
        const block = blocks + Math.floor(row / 32) * groups * 16;
        let sum = 0;
        for (let group = 0; group < groups; group++) {
          const byte = bytes[block + group * 16 + (row % 16)] as number;
          const signs = row % 32 < 16 ? byte & 15 : byte >> 4;
          sum += bytes[tables + group * 16 + signs] as number;
        }
        u16[estimates / 2 + row] = sum;
      }
    },
    select(estimates, mask, rows, wanted, _levels, _histogram, selected) {
      const allowed = rowsOf(rows).filter((row) => bytes[mask + row] === 1);
      const estimate = (row: number) => u16[estimates / 2 + row] as number;
      const best = allowed.sort((left, right) => estimate(right) - estimate(left) || left - right).slice(0, wanted);
      for (const [at, row] of best.sort((left, right) => left - right).entries()) u32[selected / 4 + at] = row;
      return best.length;
    },
    drain(heap, size, rows, scores) {
      for (let at = 0; at < size; at++) {
        const key = u64[heap / 8 + at] as bigint;
        u32[rows / 4 + at] = Number(key & 0xffff_ffffn);
        f32[scores / 4 + at] = new Float32Array(Uint32Array.of(Number(key >> 32n)).buffer)[0] as number;
      }
    },
  };
}
