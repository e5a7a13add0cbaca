/** How vectors become small integers, and queries what the kernels multiply them with. */

/** The kernels read vectors 16 components at a time; the rest of the last step is zeros. */
export function strideOf(dimensions: number): number {
  return Math.ceil(dimensions / 16) * 16;
}

export interface QuantizedVector {
  readonly values: Int8Array;
  /** Cosine with a unit vector q is about scale x Σ values x q. */
  readonly scale: number;
}

/** Null for what has no direction: zeros, or a component that is not a finite number. */
export function quantizeVector(vector: Float32Array, stride: number): QuantizedVector | null {
  const { norm, largest } = measure(vector);
  if (!(norm > 0) || !Number.isFinite(norm)) return null;
  const values = new Int8Array(stride);
  const factor = 127 / largest;
  for (let at = 0; at < vector.length; at++) values[at] = Math.round((vector[at] as number) * factor);
  return { values, scale: largest / (127 * norm) };
}

/**
 * Writes the query as i16, as finely as the sums of `stride` products with int8 stay within 31 bits.
 * @returns the factor that turns a kernel's score into a cosine; 0 when the query has no direction
 */
export function quantizeQuery(vector: Float32Array, out: Int16Array): number {
  const { norm, largest } = measure(vector);
  if (!(norm > 0) || !Number.isFinite(norm)) return 0;
  const levels = Math.min(32_767, Math.floor(2_147_483_647 / (128 * out.length)));
  const factor = levels / largest;
  out.fill(0);
  for (let at = 0; at < vector.length; at++) out[at] = Math.round((vector[at] as number) * factor);
  return largest / (levels * norm);
}

function measure(vector: Float32Array): { readonly norm: number; readonly largest: number } {
  let squares = 0;
  let largest = 0;
  for (const component of vector) {
    squares += component * component;
    largest = Math.max(largest, Math.abs(component));
  }
  return { norm: Math.sqrt(squares), largest };
}

/** Rows of one block of 1-bit vectors. */
const BLOCK_ROWS = 32;

/** Bytes of the 1-bit vectors of `rows` rows, whole blocks. */
export function bitBytes(rows: number, stride: number): number {
  return Math.ceil(rows / BLOCK_ROWS) * BLOCK_ROWS * (stride / 8);
}

/**
 * Writes the signs of a row. A block holds, for each group of four components, 16 bytes: in the low half of byte i the
 * signs of row i, in the high half those of row 16 + i.
 */
export function writeBits(values: Int8Array, valuesAt: number, stride: number, row: number, out: Uint8Array): void {
  const block = Math.floor(row / BLOCK_ROWS) * BLOCK_ROWS * (stride / 8);
  const place = row % BLOCK_ROWS;
  const shift = place < 16 ? 0 : 4;
  for (let group = 0; group < stride / 4; group++) {
    let signs = 0;
    for (let bit = 0; bit < 4; bit++) {
      if ((values[valuesAt + group * 4 + bit] as number) > 0) signs |= 1 << bit;
    }
    const at = block + group * 16 + (place % 16);
    out[at] = (out[at] as number) | (signs << shift);
  }
}

/** Greatest value of one table entry: four of them add up within a byte. */
export const TABLE_LEVELS = 63;

/** One table of 16 entries a group: entry n is the sum of the group's query components, each with the sign that n's bit gives it. */
export function writeQueryTables(vector: Float32Array, stride: number, out: Uint8Array): void {
  const component = (at: number): number => vector[at] ?? 0;
  let widest = 0;
  for (let at = 0; at < stride; at += 4) {
    const width = Math.abs(component(at)) + Math.abs(component(at + 1)) + Math.abs(component(at + 2)) + Math.abs(component(at + 3));
    widest = Math.max(widest, width);
  }
  const factor = TABLE_LEVELS / (2 * widest);
  for (let at = 0; at < stride; at += 4) {
    const [a, b, c, d] = [component(at), component(at + 1), component(at + 2), component(at + 3)];
    const width = Math.abs(a) + Math.abs(b) + Math.abs(c) + Math.abs(d);
    for (let signs = 0; signs < 16; signs++) {
      const sum = (signs & 1 ? a : -a) + (signs & 2 ? b : -b) + (signs & 4 ? c : -c) + (signs & 8 ? d : -d);
      out[at * 4 + signs] = Math.round((sum + width) * factor);
    }
  }
}
