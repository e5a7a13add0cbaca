import { suite } from "uvu";
import * as assert from "uvu/assert";
import { membershipAtScale } from "./scale.ts";
import { SIMULATION, type SimulationOptions, simulate } from "./simulation.ts";

const test = suite("simulation");

/** Histories that once broke what must hold; what they found is written beside them. */
const FOUND: readonly (Partial<SimulationOptions> & { readonly seed: number; readonly found: string })[] = [
  { seed: 2, nodes: 3, replicas: 1, found: "a node that drained and was cut off had nobody to ask, not even itself" },
  { seed: 3, nodes: 3, replicas: 2, found: "two led after the store of leases was emptied" },
  { seed: 24, nodes: 3, replicas: 2, found: "a node that had heard of nobody led in an epoch that was another's" },
  { seed: 75, nodes: 3, replicas: 2, found: "a renewal whose outcome was not known cost the lease" },
  {
    seed: 25,
    nodes: 9,
    replicas: 3,
    meshNodes: 4,
    wires: "digests",
    found: "a node cut off from most others waited half a second for digests that could not come, and a query longer than it had",
  },
  {
    seed: 1_018,
    nodes: 9,
    replicas: 3,
    meshNodes: 4,
    wires: "digests",
    found: "whoever was told of by a digest was given a quarter of a second more, also where the digest had just come",
  },
  { seed: 9, nodes: 3, replicas: 1, found: "a node without epochs in its heartbeats followed another leader for ever" },
];

const HISTORIES: readonly (Partial<SimulationOptions> & { readonly seeds: number })[] = [
  { nodes: 3, replicas: 2, seeds: 12 },
  { nodes: 3, replicas: 1, seeds: 8 },
  { nodes: 5, replicas: 2, seeds: 6 },
  { nodes: 9, replicas: 3, seeds: 2 },
  { nodes: 9, replicas: 3, meshNodes: 4, wires: "digests", seeds: 3 },
  { nodes: 9, replicas: 3, meshNodes: 7, wires: "passing", seeds: 3 },
  { nodes: 16, replicas: 2, meshNodes: 12, wires: "digests", seeds: 1 },
];

for (const { found, ...options } of FOUND) {
  test(`Seed ${options.seed}, ${options.nodes} nodes, stays mended: ${found}`, () => {
    assert.equal(simulate({ ...SIMULATION, ...options }).violations, []);
  });
}

for (const { seeds, ...options } of HISTORIES) {
  const { nodes, meshNodes = SIMULATION.meshNodes, wires = SIMULATION.wires } = options;
  const ways = meshNodes < (nodes ?? 0) ? `, in groups beyond ${meshNodes} (${wires}),` : "";
  test(`${seeds} histories of ${nodes} nodes under load and faults${ways} lose no query and never have two leaders`, () => {
    let changes = 0;
    for (let seed = 1_000; seed < 1_000 + seeds; seed++) {
      const { violations, queries, answered, groupChanges } = simulate({ ...SIMULATION, ...options, seed });
      changes += groupChanges;
      assert.equal(violations, [], `seed ${seed}`);
      assert.ok(queries > 1_000 && answered > 0.9 * queries, `seed ${seed}`);
    }
    assert.ok(ways === "" ? changes === 0 : changes > seeds * (nodes ?? 0), `${changes} changes`);
  });
}

test("A seed gives one history", () => {
  assert.equal(simulate({ ...SIMULATION, seed: 7 }), simulate({ ...SIMULATION, seed: 7 }));
});

test("Without faults nothing is suspected, sent again or lost, and hedges stay within their share", () => {
  const { violations, errors, sends, queries, epochs } = simulate({ ...SIMULATION, seed: 5, hasFaults: false, lossRatio: 0 });
  assert.equal([violations, errors, epochs], [[], {}, 1]);
  assert.equal([sends.suspected, sends.retry, sends.late], [undefined, undefined, undefined]);
  assert.ok((sends.hedge ?? 0) <= 0.05 * queries + 30, `${sends.hedge} of ${queries}`);
});

test("In groups nobody is suspected, asked again or lost either, where there are no faults", () => {
  const grouped = { nodes: 16, replicas: 2, meshNodes: 4, wires: "digests", hasFaults: false, lossRatio: 0 } as const;
  const { violations, errors, sends, mostGroups } = simulate({ ...SIMULATION, ...grouped, seed: 5 });
  assert.equal([violations, errors, mostGroups], [[], {}, 4]);
  assert.equal([sends.suspected, sends.retry, sends.late], [undefined, undefined, undefined]);
});

test("A collection that takes nine tenths of the load gets places on more nodes, one by one, and no query is lost", () => {
  const hot = { ...SIMULATION, seed: 11, nodes: 5, replicas: 1, hasFaults: false, capacity: 8, hotShare: 0.9, queriesPerSecond: 700 };
  const { violations, errors, mostReplicas } = simulate(hot);
  assert.equal([violations, errors], [[], {}]);
  assert.ok(mostReplicas >= 2, `${mostReplicas}`);
  assert.is(simulate({ ...hot, queriesPerSecond: 50 }).mostReplicas, 0, "a little load is no reason");
});

test("What must hold is looked at: queries with less time than suspicion needs are lost under faults, and that is seen", () => {
  const lost = Array.from({ length: 6 }, (_, at) => simulate({ ...SIMULATION, seed: 100 + at, timeoutMs: 150 }).violations.length);
  assert.ok(
    lost.some((violations) => violations > 0),
    String(lost),
  );
});

test("In 60 nodes every other one declares a dead node within 5.2 s, suspects nobody else, and hears two heartbeats a node and second", () => {
  const { declaredMs, falseSuspicions, heardPerSecond } = membershipAtScale(60, 1, 60);
  assert.ok(declaredMs[0] > 4_000 && declaredMs[1] <= 5_200, String(declaredMs));
  assert.is(falseSuspicions, 0);
  assert.ok(heardPerSecond > 100 && heardPerSecond <= 2 * 60, String(heardPerSecond));
});

test("In groups 60 nodes do so, too, where one that speaks is killed, and hear a quarter of the messages", () => {
  const { groups, declaredMs, falseSuspicions, heardPerSecond } = membershipAtScale(60, 1, 20);
  assert.is(groups, 8);
  assert.ok(declaredMs[0] > 4_000 && declaredMs[1] <= 5_200, String(declaredMs));
  assert.is(falseSuspicions, 0);
  assert.ok(heardPerSecond <= 2 * (8 + 60 / 8) * 1.1, String(heardPerSecond));
});

test.run();
