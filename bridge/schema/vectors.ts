import { z } from "zod";
import { refuse } from "./validate.ts";

const MAX_DIMENSIONS = 8_192;
const MAX_FLOAT32 = 3.402_823_466_385_288_6e38;

export const vectorSchema = z.array(z.number().min(-MAX_FLOAT32).max(MAX_FLOAT32)).min(1).max(MAX_DIMENSIONS);

/** Scaled to unit length, as stores and models hold vectors. Throws `invalid_request` for one without a direction. */
export function toVector(values: readonly number[], param: string): Float32Array {
  // Scaled by the largest component first, so that squares neither overflow nor vanish.
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  if (largest === 0) throw refuse(param, "is all zeros", "a vector that has a direction");
  let sum = 0;
  for (const value of values) sum += (value / largest) ** 2;
  const scale = 1 / Math.sqrt(sum);
  const vector = new Float32Array(values.length);
  for (let place = 0; place < values.length; place++) vector[place] = ((values[place] as number) / largest) * scale;
  return vector;
}
