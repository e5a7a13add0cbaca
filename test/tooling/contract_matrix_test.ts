import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ADAPTERS, type ContractRun, contractMatrix, type Outcome } from "../../tooling/contract_matrix.ts";

const test = suite("contract matrix");

/** Every adapter's runs on both runtimes, each case passed. */
function wholeRuns(): ContractRun[] {
  return Object.entries(ADAPTERS).flatMap(([contract, adapters]) =>
    adapters.flatMap((adapter) =>
      (["Deno", "Node"] as const).map((runtime) => ({
        contract,
        adapter,
        runtime,
        outcomes: [["a row | is found", { kind: "passes" }] as const, ["another", { kind: "passes" }] as const],
      })),
    ),
  );
}

const changed = (place: number, outcome: Outcome) =>
  wholeRuns().map((run, at) =>
    at === place ? { ...run, outcomes: [...run.outcomes.slice(1), ["a row | is found", outcome] as const] } : run,
  );

test("The matrix has a row a case and a column an adapter", () => {
  const written = contractMatrix(wholeRuns());
  const [first = ""] = Object.keys(ADAPTERS);
  assert.match(written, `## The ${first}'s`);
  assert.match(written, `| case | ${(ADAPTERS[first] ?? []).join(" | ")} |`);
  assert.match(written, /\| a row \\\| is found \| passes \| passes/);
  assert.match(written, /\| passed \| 2 of 2 \|/);
});

test("A deviation on one runtime is one, and its reason stands below", () => {
  const written = contractMatrix(changed(1, { kind: "deviates", reason: "It has no past" }));
  assert.match(written, /deviates \(1\)/);
  assert.match(written, "1. It has no past");
  assert.match(written, /\| passed \| 1 of 2 \|/);
});

test("Where a run failed or is missing there is no matrix, and the error says which", () => {
  const [first = ""] = Object.keys(ADAPTERS);
  const adapter = ADAPTERS[first]?.[0] ?? "";
  assert.throws(
    () => contractMatrix(changed(0, { kind: "fails" })),
    (error: Error) => error.message === `${adapter} fails on Deno: a row | is found`,
  );
  assert.throws(() => contractMatrix(wholeRuns().slice(1)), /was not run for .* on Deno/);
});

test.run();
