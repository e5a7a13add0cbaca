/**
 * The inner loops of a resident index, in AssemblyScript: tooling/build_wasm.ts compiles them to kernels.wasm, which
 * is what runs. What every export does stands in kernels.ts; test/actors/retriever/index/resident/kernel_twins.ts computes
 * the same in plain TypeScript.
 *
 * Invariants:
 *   K1. Addresses are bytes into the one imported memory; the caller has reserved what a kernel reads and writes.
 *   K2. Rows are offered to the heap in rising order and enter only above its least score, so that of equal scores the
 *       lower rows win. Within the base rows stand in the order of their ids: ties fall by id.
 *   K3. Only strict SIMD: the same input gives the same bits on every machine.
 */

/** Falling score, then rising row, as one unsigned number: greater is better. */
// @ts-expect-error: decorator
@inline
function keyOf(score: f32, row: u32): u64 {
  const bits = reinterpret<u32>(score);
  const sortable = bits ^ (u32(i32(bits) >> 31) | 0x80000000);
  return (u64(sortable) << 32) | u64(~row);
}

// @ts-expect-error: decorator
@inline
function scoreOf(key: u64): f32 {
  const sortable = u32(key >> 32);
  return reinterpret<f32>(sortable ^ (u32(~(i32(sortable) >> 31)) | 0x80000000));
}

function siftDown(heap: usize, size: i32, key: u64): void {
  let at = 0;
  while (true) {
    let child = 2 * at + 1;
    if (child >= size) break;
    let childKey = load<u64>(heap + (usize(child) << 3));
    if (child + 1 < size) {
      const other = load<u64>(heap + (usize(child + 1) << 3));
      if (other < childKey) {
        childKey = other;
        child++;
      }
    }
    if (key <= childKey) break;
    store<u64>(heap + (usize(at) << 3), childKey);
    at = child;
  }
  store<u64>(heap + (usize(at) << 3), key);
}

/** Adds a key, or replaces the least when `limit` are there. @returns the heap's size */
function offer(heap: usize, size: i32, limit: i32, key: u64): i32 {
  if (size == limit) {
    siftDown(heap, size, key);
    return size;
  }
  let at = size;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const parentKey = load<u64>(heap + (usize(parent) << 3));
    if (parentKey <= key) break;
    store<u64>(heap + (usize(at) << 3), parentKey);
    at = parent;
  }
  store<u64>(heap + (usize(at) << 3), key);
  return size + 1;
}

export function accumulate(rows: usize, impacts: usize, count: i32, weight: f32, scores: usize): void {
  for (let at = 0; at < count; at++) {
    const cell = scores + (usize(load<u32>(rows + (usize(at) << 2))) << 2);
    store<f32>(cell, load<f32>(cell) + weight * f32(load<u8>(impacts + at)));
  }
}

export function collect(scores: usize, mask: usize, rows: i32, heap: usize, limit: i32): i32 {
  const zero = f32x4.splat(0);
  let size = 0;
  let floor: f32 = 0;
  let floors = f32x4.splat(floor);
  for (let row = 0; row < rows; row += 16) {
    const cell = scores + (usize(row) << 2);
    const first = f32x4.max(v128.load(cell), v128.load(cell, 16));
    const second = f32x4.max(v128.load(cell, 32), v128.load(cell, 48));
    const best = f32x4.max(first, second);
    if (v128.any_true(f32x4.gt(best, zero))) {
      if (v128.any_true(f32x4.gt(best, floors))) {
        let above =
          i32x4.bitmask(f32x4.gt(v128.load(cell), floors)) |
          (i32x4.bitmask(f32x4.gt(v128.load(cell, 16), floors)) << 4) |
          (i32x4.bitmask(f32x4.gt(v128.load(cell, 32), floors)) << 8) |
          (i32x4.bitmask(f32x4.gt(v128.load(cell, 48), floors)) << 12);
        while (above != 0) {
          const lane = ctz(above);
          above &= above - 1;
          const score = load<f32>(cell + (usize(lane) << 2));
          if (!(score > floor) || load<u8>(mask + row + lane) == 0) continue;
          size = offer(heap, size, limit, keyOf(score, row + lane));
          if (size == limit) floor = scoreOf(load<u64>(heap));
        }
        floors = f32x4.splat(floor);
      }
      v128.store(cell, zero);
      v128.store(cell, zero, 16);
      v128.store(cell, zero, 32);
      v128.store(cell, zero, 48);
    }
  }
  return size;
}

// @ts-expect-error: decorator
@inline
function multiply(values: v128, low: v128, high: v128): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(values), low),
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(values), high),
  );
}

/** Scaled products of the query with four rows that follow each other. */
// @ts-expect-error: decorator
@inline
function fourScores(vector: usize, stride: usize, query: usize, scales: usize): v128 {
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  for (let at: usize = 0; at < stride; at += 16) {
    const low = v128.load(query + (at << 1));
    const high = v128.load(query + (at << 1), 16);
    const from = vector + at;
    a = i32x4.add(a, multiply(v128.load(from), low, high));
    b = i32x4.add(b, multiply(v128.load(from + stride), low, high));
    c = i32x4.add(c, multiply(v128.load(from + 2 * stride), low, high));
    d = i32x4.add(d, multiply(v128.load(from + 3 * stride), low, high));
  }
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 1, 4, 5), v128.shuffle<i32>(a, b, 2, 3, 6, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 1, 4, 5), v128.shuffle<i32>(c, d, 2, 3, 6, 7));
  const sums = i32x4.add(v128.shuffle<i32>(ab, cd, 0, 2, 4, 6), v128.shuffle<i32>(ab, cd, 1, 3, 5, 7));
  return f32x4.mul(f32x4.convert_i32x4_s(sums), v128.load(scales));
}

export function scan(
  vectors: usize,
  scales: usize,
  mask: usize,
  rows: i32,
  stride: usize,
  query: usize,
  heap: usize,
  limit: i32,
): i32 {
  let size = 0;
  let floor: f32 = -Infinity;
  for (let row = 0; row < rows; row += 4) {
    const scores = fourScores(vectors + usize(row) * stride, stride, query, scales + (usize(row) << 2));
    // A row without a vector has NaN as its scale, and NaN is above nothing.
    let above = i32x4.bitmask(f32x4.gt(scores, f32x4.splat(floor)));
    while (above != 0) {
      const lane = ctz(above);
      above &= above - 1;
      let score: f32 = f32x4.extract_lane(scores, 0);
      if (lane == 1) score = f32x4.extract_lane(scores, 1);
      else if (lane == 2) score = f32x4.extract_lane(scores, 2);
      else if (lane == 3) score = f32x4.extract_lane(scores, 3);
      if (!(score > floor) || load<u8>(mask + row + lane) == 0) continue;
      size = offer(heap, size, limit, keyOf(score, row + lane));
      if (size == limit) floor = scoreOf(load<u64>(heap));
    }
  }
  return size;
}

export function scanListed(
  vectors: usize,
  scales: usize,
  mask: usize,
  listed: usize,
  count: i32,
  stride: usize,
  query: usize,
  heap: usize,
  limit: i32,
): i32 {
  let size = 0;
  let floor: f32 = -Infinity;
  for (let place = 0; place < count; place++) {
    const row = load<u32>(listed + (usize(place) << 2));
    if (load<u8>(mask + row) == 0) continue;
    const vector = vectors + usize(row) * stride;
    let sums = i32x4.splat(0);
    for (let at: usize = 0; at < stride; at += 16) {
      sums = i32x4.add(sums, multiply(v128.load(vector + at), v128.load(query + (at << 1)), v128.load(query + (at << 1), 16)));
    }
    const pairs = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
    const total = i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
    const score = f32(total) * load<f32>(scales + (usize(row) << 2));
    if (!(score > floor)) continue;
    size = offer(heap, size, limit, keyOf(score, row));
    if (size == limit) floor = scoreOf(load<u64>(heap));
  }
  return size;
}

export function scoreAll(vectors: usize, scales: usize, rows: i32, stride: usize, query: usize, scores: usize): void {
  for (let row = 0; row < rows; row += 4) {
    const four = fourScores(vectors + usize(row) * stride, stride, query, scales + (usize(row) << 2));
    v128.store(scores + (usize(row) << 2), four);
  }
}

export function estimate(blocks: usize, rows: i32, groups: i32, tables: usize, estimates: usize): void {
  const nibble = i8x16.splat(15);
  let block = blocks;
  for (let row = 0; row < rows; row += 32) {
    let a = i16x8.splat(0);
    let b = i16x8.splat(0);
    let c = i16x8.splat(0);
    let d = i16x8.splat(0);
    let table = tables;
    // Four groups of at most 63 each stay within a byte.
    for (let group = 0; group < groups; group += 4) {
      let bits = v128.load(block);
      let values = v128.load(table);
      let low = i8x16.swizzle(values, v128.and(bits, nibble));
      let high = i8x16.swizzle(values, i8x16.shr_u(bits, 4));
      bits = v128.load(block, 16);
      values = v128.load(table, 16);
      low = i8x16.add(low, i8x16.swizzle(values, v128.and(bits, nibble)));
      high = i8x16.add(high, i8x16.swizzle(values, i8x16.shr_u(bits, 4)));
      bits = v128.load(block, 32);
      values = v128.load(table, 32);
      low = i8x16.add(low, i8x16.swizzle(values, v128.and(bits, nibble)));
      high = i8x16.add(high, i8x16.swizzle(values, i8x16.shr_u(bits, 4)));
      bits = v128.load(block, 48);
      values = v128.load(table, 48);
      low = i8x16.add(low, i8x16.swizzle(values, v128.and(bits, nibble)));
      high = i8x16.add(high, i8x16.swizzle(values, i8x16.shr_u(bits, 4)));
      a = i16x8.add(a, i16x8.extend_low_i8x16_u(low));
      b = i16x8.add(b, i16x8.extend_high_i8x16_u(low));
      c = i16x8.add(c, i16x8.extend_low_i8x16_u(high));
      d = i16x8.add(d, i16x8.extend_high_i8x16_u(high));
      block += 64;
      table += 64;
    }
    const out = estimates + (usize(row) << 1);
    v128.store(out, a);
    v128.store(out, b, 16);
    v128.store(out, c, 32);
    v128.store(out, d, 48);
  }
}

export function select(estimates: usize, mask: usize, rows: i32, wanted: i32, levels: i32, histogram: usize, selected: usize): i32 {
  memory.fill(histogram, 0, usize(levels) << 2);
  for (let row = 0; row < rows; row++) {
    const cell = histogram + (usize(load<u16>(estimates + (usize(row) << 1))) << 2);
    store<u32>(cell, load<u32>(cell) + u32(load<u8>(mask + row)));
  }
  let cut = levels;
  let above = 0;
  let atCut = 0;
  while (cut > 0 && above + atCut < wanted) {
    above += atCut;
    cut--;
    atCut = load<u32>(histogram + (usize(cut) << 2));
  }
  let room = min(atCut, wanted - above);
  let count = 0;
  const cuts = i16x8.splat(i16(cut));
  for (let row = 0; row < rows; row += 8) {
    const eight = v128.load(estimates + (usize(row) << 1));
    let reached = i16x8.bitmask(i16x8.ge_u(eight, cuts));
    while (reached != 0) {
      const lane = ctz(reached);
      reached &= reached - 1;
      if (row + lane >= rows || load<u8>(mask + row + lane) == 0) continue;
      if (load<u16>(estimates + (usize(row + lane) << 1)) == u16(cut)) {
        if (room == 0) continue;
        room--;
      }
      store<u32>(selected + (usize(count) << 2), row + lane);
      count++;
    }
  }
  return count;
}

export function drain(heap: usize, size: i32, rows: usize, scores: usize): void {
  for (let left = size; left > 0; left--) {
    const least = load<u64>(heap);
    const last = load<u64>(heap + (usize(left - 1) << 3));
    siftDown(heap, left - 1, last);
    store<u32>(rows + (usize(left - 1) << 2), ~u32(least));
    store<f32>(scores + (usize(left - 1) << 2), scoreOf(least));
  }
}
