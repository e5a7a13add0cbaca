import * as assert from "uvu/assert";
import { faultCases, type ServiceName } from "./cases.ts";
import { faultSuite, supervision } from "./suite.ts";
import { compareWithTable } from "./table.ts";

/**
 * Of each service the faults that end in different ways, and fast; `observe_faults.ts` has all. A Milvus that is killed is
 * tested beside its store, in outage_test.ts: its return keeps both processors busy for long.
 */
const FAULTS: Readonly<Record<ServiceName, readonly string[]>> = {
  milvus: ["answers errors"],
  mongodb: ["down at the start", "killed in mid-call", "paused (SIGSTOP)", "answers errors"],
  redis: ["down at the start", "paused (SIGSTOP)", "answers errors", "full, evicting nothing"],
  provider: ["down at the start", "gone in mid-call", "answers 429 with retry-after", "answers malformed JSON"],
};
/** None of them lasts for a given time. */
const UNUSED_MS = 0;
/** Other tests run beside it: a service that is late because of them is not at fault. Calls alone open breakers here. */
const PATIENT = { ...supervision({ PROBE_TIMEOUT_MS: "5000", MAX_FAILED_PROBES: "5" }), KENNEL_RETRIEVER_MIN_STRAGGLER_MS: "1500" };

const cases = faultCases(UNUSED_MS).filter(({ service, fault }) => FAULTS[service].includes(fault));
const { test, rows } = faultSuite(cases, PATIENT);

test("They are as test/services/FAULTS.md says", () => {
  assert.is(cases.length, Object.values(FAULTS).flat().length, "a fault has another name");
  assert.is(rows.length, cases.length, "some fault was not seen to its end");
  assert.equal(compareWithTable(rows).differences, []);
});

test.run();
