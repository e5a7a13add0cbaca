// Observes every fault and compares with FAULTS.md, in 9 minutes; by hand, with Node 24:
//
//   node test/services/faults/observe_faults.ts                       with the variables that `npm run test:services` prints
//   TEST_WRITE_FAULTS=1 node test/services/faults/observe_faults.ts   writes the table
//
// TEST_FAULTS_OF=redis observes one service's alone. Not on Deno 2.9.6: see the table's head.
import process from "node:process";
import * as assert from "uvu/assert";
import { faultCases } from "./cases.ts";
import { faultSuite } from "./suite.ts";
import { compareWithTable } from "./table.ts";

const LONG_OUTAGE_S = Number(process.env.TEST_LONG_OUTAGE_S ?? 4);
const ONLY = process.env.TEST_FAULTS_OF ?? "";

const cases = faultCases(LONG_OUTAGE_S * 1_000).filter(({ service }) => ONLY === "" || service === ONLY);
const { test, rows } = faultSuite(cases);

test("All of it is as test/services/FAULTS.md says", () => {
  assert.is(rows.length, cases.length, "some fault was not seen to its end");
  const { differences, write } = compareWithTable(rows);
  if (process.env.TEST_WRITE_FAULTS === "1" && ONLY === "") return write();
  assert.equal(differences, [], "run with TEST_WRITE_FAULTS=1 where the new outcomes are right");
});

test.run();
