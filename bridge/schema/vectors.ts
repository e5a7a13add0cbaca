import { z } from "zod";

const MAX_DIMENSIONS = 8_192;
const MAX_FLOAT32 = 3.402_823_466_385_288_6e38;
const ALLOWED = `a list of 1 to ${MAX_DIMENSIONS} numbers that a float32 can hold`;

/**
 * A vector of any length, scaled to unit length as stores and models hold vectors. Looked at in one loop: an array schema
 * takes 60 µs for 256 components, which is more than the whole rest of a search's check.
 */
export const vectorSchema = z
  .unknown()
  .meta({ type: "array", items: { type: "number", minimum: -MAX_FLOAT32, maximum: MAX_FLOAT32 }, minItems: 1, maxItems: MAX_DIMENSIONS })
  .transform((given, context): Float32Array => {
    const refuse = (message: string, path: PropertyKey[] = []) => {
      context.addIssue({ code: "custom", message, path });
      return z.NEVER;
    };
    if (!Array.isArray(given) || given.length === 0 || given.length > MAX_DIMENSIONS) return refuse(ALLOWED);
    // Scaled by the largest component first, so that squares neither overflow nor vanish.
    let largest = 0;
    for (let place = 0; place < given.length; place++) {
      const value: unknown = given[place];
      if (typeof value !== "number" || !(Math.abs(value) <= MAX_FLOAT32)) return refuse(ALLOWED, [place]);
      largest = Math.max(largest, Math.abs(value));
    }
    return largest === 0 ? refuse("a vector that has a direction; this one is all zeros") : toUnitLength(given, largest);
  });

function toUnitLength(values: readonly number[], largest: number): Float32Array {
  let sum = 0;
  for (const value of values) sum += (value / largest) ** 2;
  const scale = 1 / Math.sqrt(sum);
  const vector = new Float32Array(values.length);
  for (const [place, value] of values.entries()) vector[place] = (value / largest) * scale;
  return vector;
}
