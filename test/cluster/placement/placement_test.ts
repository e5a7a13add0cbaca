import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MEMBERSHIP_LIMITS } from "../../../cluster/membership/member.ts";
import { Membership } from "../../../cluster/membership/membership.ts";
import { Placement } from "../../../cluster/placement/placement.ts";
import { RankTable } from "../../../cluster/placement/rank_table.ts";
import { hashName, nearest, type PlacementNode, placementNode } from "../../../cluster/placement/rendezvous.ts";
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

test("Rank table says after any comings and goings what one made anew says", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 30 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (numbers, depth) => {
      const table = new RankTable(depth, []);
      for (let at = 0; at < 30; at++) table.add(`c${at}`);
      for (const number of numbers) {
        const node = nodesOf([number])[0] as PlacementNode;
        if (table.nodes.some(({ name }) => name === node.name)) table.removeNode(node.name);
        else table.addNode(node);
      }
      const anew = new RankTable(depth, table.nodes);
      for (let at = 0; at < 30; at++) {
        anew.add(`c${at}`);
        assert.equal(names(table.ranking(`c${at}`)), names(anew.ranking(`c${at}`)));
      }
    }),
    { numRuns: 50 },
  );
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
