import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bindKernels, type Kernels, loadKernels } from "../../../../../actors/retriever/index/resident/kernels.ts";
import { writeBits } from "../../../../../actors/retriever/index/resident/quantization.ts";
import { twinKernels } from "./kernel_twins.ts";

const test = suite("resident index kernels");
const module = await loadKernels();

// One layout serves all tests; regions are far enough apart for the sizes below.
const PLACE = { vectors: 0, scales: 16_384, mask: 17_408, query: 18_432, heap: 20_480, rows: 24_576, scores: 28_672, listed: 32_768 };
const BITS = { blocks: 36_864, tables: 45_056, estimates: 47_104, histogram: 49_152, selected: 61_440 };
const MAX_ROWS = 200;

interface Side {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
}

/** The same bytes for the kernels and for their twins. */
function sides(fill: (memory: WebAssembly.Memory) => void): readonly [Side, Side] {
  const memories = [0, 1].map(() => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })) as [
    WebAssembly.Memory,
    WebAssembly.Memory,
  ];
  for (const memory of memories) fill(memory);
  return [
    { memory: memories[0], kernels: bindKernels(module, memories[0]) },
    { memory: memories[1], kernels: twinKernels(memories[1]) },
  ];
}

/** What a search leaves: rows and scores, best first. */
function hits({ memory, kernels }: Side, size: number): { rows: number[]; scores: number[] } {
  kernels.drain(PLACE.heap, size, PLACE.rows, PLACE.scores);
  return { rows: [...new Uint32Array(memory.buffer, PLACE.rows, size)], scores: [...new Float32Array(memory.buffer, PLACE.scores, size)] };
}

const stride = fc.constantFrom(16, 32, 64);
const rowCount = fc.integer({ min: 1, max: MAX_ROWS });
// Few distinct values, so that equal scores are common.
const vectorCase = fc.record({
  stride,
  rows: rowCount,
  limit: fc.integer({ min: 1, max: 30 }),
  values: fc.array(fc.integer({ min: -127, max: 127 }), { minLength: 40, maxLength: 80 }),
});

function fillVectors(
  memory: WebAssembly.Memory,
  { stride, rows, values }: { stride: number; rows: number; values: readonly number[] },
): void {
  const at = (place: number) => values[place % values.length] as number;
  const vectors = new Int8Array(memory.buffer, PLACE.vectors, MAX_ROWS * 64);
  for (let row = 0; row < rows; row++) {
    for (let component = 0; component < stride; component++) vectors[row * stride + component] = at(row * 7 + component * 3);
  }
  const scales = new Float32Array(memory.buffer, PLACE.scales, 256).fill(Number.NaN);
  for (let row = 0; row < rows; row++) scales[row] = row % 11 === 3 ? Number.NaN : 0.25 + (row % 3);
  new Uint8Array(memory.buffer, PLACE.mask, 256).fill(0).fill(1, 0, rows);
  for (let row = 0; row < rows; row += 5) new Uint8Array(memory.buffer, PLACE.mask, 256)[row] = at(row) > 0 ? 1 : 0;
  const query = new Int16Array(memory.buffer, PLACE.query, stride);
  for (let component = 0; component < stride; component++) query[component] = at(component + 1) * 200;
}

test("scan finds the rows and scores of its twin, ties by row", () => {
  fc.assert(
    fc.property(vectorCase, (given) => {
      const found = sides((memory) => fillVectors(memory, given)).map((side) => {
        const { vectors, scales, mask, query, heap } = PLACE;
        return hits(side, side.kernels.scan(vectors, scales, mask, given.rows, given.stride, query, heap, given.limit));
      });
      assert.equal(found[0], found[1]);
    }),
  );
});

test("scanListed finds the rows and scores of its twin among the listed", () => {
  fc.assert(
    fc.property(vectorCase, fc.integer({ min: 1, max: 9 }), (given, step) => {
      const listed = Array.from({ length: Math.ceil(given.rows / step) }, (_, place) => place * step);
      const found = sides((memory) => {
        fillVectors(memory, given);
        new Uint32Array(memory.buffer, PLACE.listed, listed.length).set(listed);
      }).map((side) => {
        const { vectors, scales, mask, query, heap } = PLACE;
        const { kernels } = side;
        return hits(side, kernels.scanListed(vectors, scales, mask, PLACE.listed, listed.length, given.stride, query, heap, given.limit));
      });
      assert.equal(found[0], found[1]);
    }),
  );
});

test("scoreAll gives every row the score of its twin", () => {
  fc.assert(
    fc.property(vectorCase, (given) => {
      const padded = Math.ceil(given.rows / 4) * 4;
      const scores = sides((memory) => fillVectors(memory, given)).map(({ memory, kernels }) => {
        kernels.scoreAll(PLACE.vectors, PLACE.scales, padded, given.stride, PLACE.query, PLACE.scores);
        return [...new Float32Array(memory.buffer, PLACE.scores, given.rows)];
      });
      assert.equal(scores[0], scores[1]);
    }),
  );
});

test("scan adds up the largest products that queries may have without overflow", () => {
  for (const [dimensions, levels] of [
    [256, 32_767],
    [1024, 16_383],
  ] as const) {
    const [{ memory, kernels }] = sides((memory) => {
      new Int8Array(memory.buffer, PLACE.vectors, dimensions).fill(127);
      new Float32Array(memory.buffer, PLACE.scales, 4).fill(Number.NaN)[0] = 1;
      new Uint8Array(memory.buffer, PLACE.mask, 4)[0] = 1;
      new Int16Array(memory.buffer, PLACE.query, 1024).fill(levels, 0, dimensions);
    });
    const size = kernels.scan(PLACE.vectors, PLACE.scales, PLACE.mask, 1, dimensions, PLACE.query, PLACE.heap, 1);
    assert.equal(hits({ memory, kernels }, size), { rows: [0], scores: [Math.fround(dimensions * 127 * levels)] });
  }
});

const postingsCase = fc.record({
  rows: rowCount,
  limit: fc.integer({ min: 1, max: 30 }),
  lists: fc.array(
    fc.record({
      step: fc.integer({ min: 1, max: 13 }),
      impact: fc.integer({ min: 1, max: 255 }),
      weight: fc.float({ min: Math.fround(0.001), max: 12, noNaN: true }),
    }),
    { maxLength: 6 },
  ),
});

test("accumulate and collect find the rows and scores of their twins, and leave the scores clear", () => {
  fc.assert(
    fc.property(postingsCase, ({ rows, limit, lists }) => {
      const found = sides((memory) => {
        new Uint8Array(memory.buffer, PLACE.mask, 256).fill(1, 0, rows);
        for (let row = 2; row < rows; row += 7) new Uint8Array(memory.buffer, PLACE.mask, 256)[row] = 0;
      }).map((side) => {
        const { memory, kernels } = side;
        for (const { step, impact, weight } of lists) {
          const count = Math.ceil(rows / step);
          for (let at = 0; at < count; at++) {
            new Uint32Array(memory.buffer, PLACE.listed, count)[at] = at * step;
            new Uint8Array(memory.buffer, PLACE.query, count)[at] = 1 + ((impact * (at + 1)) % 255);
          }
          kernels.accumulate(PLACE.listed, PLACE.query, count, weight, BITS.blocks);
        }
        const best = hits(side, kernels.collect(BITS.blocks, PLACE.mask, rows, PLACE.heap, limit));
        const left = new Float32Array(memory.buffer, BITS.blocks, rows).some((score) => score !== 0);
        return { best, left };
      });
      assert.equal(found[0], found[1]);
      assert.is(found[0]?.left, false);
    }),
  );
});

test("estimate and select bring up the rows of their twins, in rising order", () => {
  const given = fc.record({
    stride,
    rows: rowCount,
    wanted: fc.integer({ min: 1, max: 60 }),
    values: fc.array(fc.integer({ min: -127, max: 127 }), { minLength: 40, maxLength: 80 }),
    table: fc.array(fc.integer({ min: 0, max: 63 }), { minLength: 20, maxLength: 40 }),
  });
  fc.assert(
    fc.property(given, ({ stride, rows, wanted, values, table }) => {
      const groups = stride / 4;
      const levels = groups * 63 + 1;
      const found = sides((memory) => {
        const blocks = new Uint8Array(memory.buffer, BITS.blocks, 8_192);
        const vector = new Int8Array(stride);
        for (let row = 0; row < rows; row++) {
          for (let at = 0; at < stride; at++) vector[at] = values[(row * 5 + at) % values.length] as number;
          writeBits(vector, 0, stride, row, blocks);
        }
        for (let at = 0; at < groups * 16; at++) new Uint8Array(memory.buffer, BITS.tables, 1_024)[at] = table[at % table.length] as number;
        new Uint8Array(memory.buffer, PLACE.mask, 256).fill(1, 0, rows);
        for (let row = 1; row < rows; row += 4) new Uint8Array(memory.buffer, PLACE.mask, 256)[row] = 0;
      }).map(({ memory, kernels }) => {
        kernels.estimate(BITS.blocks, rows, groups, BITS.tables, BITS.estimates);
        const estimates = [...new Uint16Array(memory.buffer, BITS.estimates, rows)];
        const count = kernels.select(BITS.estimates, PLACE.mask, rows, wanted, levels, BITS.histogram, BITS.selected);
        return { estimates, selected: [...new Uint32Array(memory.buffer, BITS.selected, count)] };
      });
      assert.equal(found[0], found[1]);
    }),
  );
});

test.run();
