import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { validate } from "../../../bridge/schema/validate.ts";
import { vectorSchema } from "../../../bridge/schema/vectors.ts";

const test = suite("Vectors on the wire");
const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });

test("A vector of any length comes out with unit length and its direction", () => {
  fc.assert(
    fc.property(fc.array(float32, { minLength: 1, maxLength: 300 }), (given) => {
      fc.pre(given.some((value) => value !== 0));
      const vector = validate(vectorSchema, given);
      const length = Math.hypot(...vector);
      assert.ok(Math.abs(length - 1) < 1e-5, `length ${length}`);
      const largest = given.reduce((best, value, place) => (Math.abs(value) > Math.abs(given[best] as number) ? place : best), 0);
      const scale = (vector[largest] as number) / (given[largest] as number);
      assert.ok(scale > 0);
      for (const [place, value] of given.entries()) assert.ok(Math.abs((vector[place] as number) - value * scale) < 1e-6);
    }),
  );
});

test("A vector is refused for what is in it, with the place", () => {
  const refused = (given: unknown) => {
    try {
      validate(vectorSchema, { vector: given }.vector, ["vector"]);
    } catch (thrown) {
      return (thrown as { param: string }).param;
    }
    return null;
  };
  assert.is(refused([1, Number.NaN]), "vector[1]");
  assert.is(refused([Number.POSITIVE_INFINITY]), "vector[0]");
  assert.is(refused(new Array(3)), "vector[0]");
  assert.is(refused([0, -0]), "vector");
  assert.is(refused({ length: 1, 0: 1 }), "vector");
  assert.is(refused([1]), null);
});

test.run();
