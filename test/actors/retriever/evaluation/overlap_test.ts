import { suite } from "uvu";
import * as assert from "uvu/assert";
import { overlap, rankBiasedOverlap } from "../../../../actors/retriever/evaluation/overlap.ts";
import { seededRandom } from "../../../../runtime/random.ts";

const alike = suite("overlap of rankings");

alike("Overlap is the share of the longer list's first places, and two empty lists are alike", () => {
  assert.is(overlap(["a", "b", "c", "d"], ["d", "x", "a", "y"], 4), 0.5);
  assert.is(overlap(["a", "b"], ["a", "b", "c", "d"], 4), 0.5);
  assert.is(overlap(["a", "b", "c"], ["c", "b", "a"], 2), 0.5, "beyond the depth nothing counts");
  assert.is(overlap([], [], 10), 1);
  assert.is(overlap(["a"], [], 10), 0);
});

alike("Rank-biased overlap is 1 for equal lists, 0 for lists without anything in common, and counts first places most", () => {
  const list = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
  for (const length of [1, 3, 10]) assert.ok(Math.abs(rankBiasedOverlap(list.slice(0, length), list.slice(0, length), 10) - 1) < 1e-12);
  assert.is(rankBiasedOverlap(list, ["k", "l"], 10), 0);
  assert.is(rankBiasedOverlap([], [], 10), 1);
  const swapped = (at: number) => list.with(at, list[at + 1] ?? "").with(at + 1, list[at] ?? "");
  assert.ok(rankBiasedOverlap(list, swapped(0), 10) < rankBiasedOverlap(list, swapped(8), 10));
  // By hand, p = .9: agreements 0, 2/2; X_2/2 p^2 + (1-p)/p (0 + 1 p^2)
  assert.ok(Math.abs(rankBiasedOverlap(["a", "b"], ["b", "a"], 2) - (0.81 + (0.1 / 0.9) * 0.81)) < 1e-12);
});

alike("Rank-biased overlap is symmetric and lies between 0 and 1", () => {
  const random = seededRandom(11);
  for (let round = 0; round < 200; round++) {
    const draw = () => {
      const ids = Array.from({ length: 15 }, (_, place) => `d${place}`);
      return ids.sort(() => random.next() - 0.5).slice(0, Math.floor(random.next() * 12));
    };
    const [left, right] = [draw(), draw()];
    const value = rankBiasedOverlap(left, right, 10);
    assert.ok(value >= 0 && value <= 1 + 1e-12, `${value} of ${left} and ${right}`);
    assert.ok(Math.abs(value - rankBiasedOverlap(right, left, 10)) < 1e-12);
  }
});

alike.run();
