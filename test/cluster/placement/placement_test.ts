import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MEMBERSHIP_LIMITS } from "../../../cluster/membership/member.ts";
import { Membership } from "../../../cluster/membership/membership.ts";
import { Leveller } from "../../../cluster/placement/leveller.ts";
import { Placement } from "../../../cluster/placement/placement.ts";
import { RankTable } from "../../../cluster/placement/rank_table.ts";
import { hashName, nearest, type PlacementNode, placementNode, timeOf } from "../../../cluster/placement/rendezvous.ts";
import { placementAtScale } from "../../simulation/scale.ts";
import { beatOf } from "../beats.ts";

const test = suite("placement");
const nodeSets = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 12 });
const nodesOf = (numbers: readonly number[]) => numbers.map((number) => placementNode(`node-${number}`, 1 + (number % 3)));
const names = (nodes: readonly PlacementNode[]) => nodes.map(({ name }) => name);

test("The nearest nodes do not depend on the order in which nodes are known", () => {
  fc.assert(
    fc.property(nodeSets, fc.string(), fc.integer({ min: 1, max: 5 }), (numbers, collection, count) => {
      const hash = hashName(collection);
      assert.equal(names(nearest(hash, nodesOf(numbers), count)), names(nearest(hash, nodesOf([...numbers].reverse()), count)));
    }),
  );
});

test("A node that goes moves only what it held, and each of its collections to the next nearest", () => {
  fc.assert(
    fc.property(nodeSets, fc.string(), (numbers, collection) => {
      const nodes = nodesOf(numbers);
      const all = nearest(hashName(collection), nodes, nodes.length);
      const lost = nodes[0];
      const without = nearest(
        hashName(collection),
        nodes.filter((node) => node !== lost),
        nodes.length,
      );
      assert.equal(names(without), names(all.filter(({ name }) => name !== lost?.name)));
    }),
  );
});

test("Shares follow the weights", () => {
  const nodes = [placementNode("small", 1), placementNode("large", 3)];
  let large = 0;
  for (let at = 0; at < 20_000; at++) if (nearest(hashName(`c${at}`), nodes, 1)[0]?.name === "large") large += 1;
  assert.ok(Math.abs(large / 20_000 - 0.75) < 0.015, `${large}`);
});

test("The nearest nodes are those with the earliest times, whatever their weights", () => {
  const weights = fc.array(fc.constantFrom(0.01, 0.5, 1, 1, 1, 3, 100), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(weights, fc.string(), fc.integer({ min: 1, max: 8 }), (given, collection, count) => {
      const nodes = given.map((weight, at) => placementNode(`node-${at}`, weight));
      const hash = hashName(collection);
      const sorted = [...nodes].sort((a, b) => timeOf(hash, a) - timeOf(hash, b) || (a.name < b.name ? -1 : 1));
      assert.equal(names(nearest(hash, nodes, count)), names(sorted.slice(0, count)));
    }),
  );
});

function runToEnd(steps: Generator<void>): void {
  while (steps.next().done !== true);
}

test("Rank table says after any comings and goings what one made anew says", () => {
  const changes = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 15 }), { maxLength: 12 }), { maxLength: 12 });
  const collections = Array.from({ length: 30 }, (_, at) => `c${at}`);
  fc.assert(
    fc.property(changes, fc.integer({ min: 1, max: 5 }), (sets, depth) => {
      const table = new RankTable();
      runToEnd(table.setCollections(collections.slice(0, 20), () => depth + 1));
      for (const numbers of sets) runToEnd(table.setNodes(nodesOf(numbers)));
      runToEnd(table.setCollections(collections, () => depth));
      const anew = new RankTable();
      runToEnd(anew.setNodes(table.nodes));
      runToEnd(anew.setCollections(collections, () => depth));
      for (const name of collections) assert.equal(names(table.ranking(name)), names(anew.ranking(name)));
    }),
    { numRuns: 50 },
  );
});

test("Levelling by steps comes to what levelling at once does, and each step ranks a bounded part of the collections", () => {
  const collections = Array.from({ length: 3_000 }, (_, at) => `c${at}`);
  const nodes = Array.from({ length: 100 }, (_, at) => placementNode(`node-${at}`, 1));
  const levelled = { collections, nodes, replicasOf: () => 1, previous: new Map() };
  const steps = new Leveller().steps(levelled);
  let count = 0;
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) {
      assert.equal([...step.value], [...new Leveller().level(levelled)]);
      break;
    }
    count += 1;
  }
  assert.ok(count >= (collections.length * nodes.length) / 10_000, `${count} steps`);
});

for (const [nodes, collections, replicas] of [
  [10, 1_000, 1],
  [10, 1_000, 2],
  [100, 10_000, 2],
] as const) {
  test(`${collections} collections on ${nodes} nodes, ${replicas} places each: within 15 % of even, and a node that goes moves at most 1.2 of its share`, () => {
    const scale = placementAtScale(nodes, collections, replicas);
    assert.ok(scale.highest <= 1.15, `highest ${scale.highest}`);
    assert.ok(scale.lowest >= 0.85, `lowest ${scale.lowest}`);
    assert.ok(scale.movedByLoss <= 1.2, `moved by a loss ${scale.movedByLoss}`);
    assert.ok(scale.movedByJoin <= 1.2, `moved by a join ${scale.movedByJoin}`);
    assert.ok(scale.exceptions <= collections * 0.05, `exceptions ${scale.exceptions}`);
  });
}

test("A collection is where the leader's exception puts it, and with its nearest again when one of those nodes is gone", () => {
  const membership = new Membership(MEMBERSHIP_LIMITS, 0, () => undefined);
  for (const node of ["a", "b", "c", "d"]) membership.observe(beatOf(node, 1), 0);
  const placement = new Placement(membership, () => 2);
  const plain = placement.ownersOf("docs");
  const others = ["a", "b", "c", "d"].filter((node) => !plain.includes(node));
  placement.setExceptions(new Map([["docs", others]]));
  assert.equal(placement.ownersOf("docs"), others);
  membership.observe(beatOf(others[0] as string, 2, { isDraining: true }), 1);
  assert.equal(placement.ownersOf("docs"), plain);
});

test.run();
