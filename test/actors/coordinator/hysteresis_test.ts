import { test } from "uvu";
import * as assert from "uvu/assert";
import { Hysteresis } from "../../../actors/coordinator/hysteresis.ts";

test("A failure counts only after it has held", () => {
  const hysteresis = new Hysteresis(100, 500);
  assert.is(hysteresis.observe(false, 0), true);
  assert.is(hysteresis.observe(false, 99), true);
  assert.is(hysteresis.observe(false, 100), false);
});

test("A service at its edge does not flap: a short recovery starts the wait anew", () => {
  const hysteresis = new Hysteresis(0, 500);
  assert.is(hysteresis.observe(false, 0), false);
  assert.is(hysteresis.observe(true, 100), false);
  assert.is(hysteresis.observe(false, 550), false);
  assert.is(hysteresis.observe(true, 600), false);
  assert.is(hysteresis.observe(true, 1099), false);
  assert.is(hysteresis.observe(true, 1100), true);
});

test.run();
