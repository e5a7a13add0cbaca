import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type NodeRig, onNode } from "../../journeys/node_rig.ts";
import type { FaultCase } from "./cases.ts";
import { Observer, prepare } from "./observe.ts";
import { type Servers, startServers } from "./servers.ts";
import type { Row } from "./table.ts";

/** Settings of the actors that own a service, by the ends of their names. */
export function supervision(limits: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const kinds = ["VECTOR_STORE", "DOCUMENT_STORE", "EMBEDDING", "EMBEDDING_CACHE"];
  const entries = Object.entries(limits);
  return Object.fromEntries(kinds.flatMap((kind) => entries.map(([limit, value]) => [`KENNEL_SUPERVISION_${kind}_${limit}`, value])));
}

/** Judged sooner than in production, so that the story is told within a test. */
const IMPATIENT = supervision({
  MIN_CALLS: "4",
  BACKOFF_MS: "100",
  MAX_BACKOFF_MS: "400",
  PROBE_TIMEOUT_MS: "1500",
  PROBE_INTERVAL_MS: "200",
  MAX_FAILED_PROBES: "2",
});
const SETTINGS = {
  ...IMPATIENT,
  KENNEL_COORDINATOR_RECOVER_AFTER_MS: "100",
  // What a start waits for a dead server shows nothing.
  KENNEL_MONGODB_START_WAIT_MS: "2000",
  KENNEL_MONGODB_SERVER_SELECTION_TIMEOUT_MS: "500",
  KENNEL_MILVUS_REQUEST_TIMEOUT_MS: "3000",
  KENNEL_OPENAI_MAX_RETRIES: "1",
  KENNEL_OPENAI_ATTEMPT_TIMEOUT_MS: "500",
  // A busy machine is not a slow Redis; a query must be able to wait for it as for whatever else is late.
  KENNEL_REDIS_READ_TIMEOUT_MS: "300",
  KENNEL_RETRIEVER_MIN_STRAGGLER_MS: "600",
  KENNEL_RESIDENT_RETRY_AFTER_MS: "500",
  KENNEL_RESIDENT_SAVE_AFTER_MS: "100",
  // What was asked most is not asked again after a start: it would fetch passages that a fault is to keep away.
  KENNEL_RETRIEVER_WARM_QUERIES: "0",
};

export interface FaultSuite {
  readonly test: ReturnType<typeof suite>;
  /** What was seen, in the order of the cases; filled while the suite runs. */
  readonly rows: readonly Row[];
}

/**
 * One test for each of `cases`, all on one node with all its services; the caller adds what is to be said of all, and runs it.
 * @param others settings of the node, over those of the table
 */
export function faultSuite(cases: readonly FaultCase[], others: Readonly<Record<string, string>> = {}): FaultSuite {
  const test = suite("a node and the faults of its services");
  const rows: Row[] = [];
  let over = () => {};
  let journey: Promise<void> = Promise.resolve();
  let servers: Servers | null = null;
  let starting: Promise<{ readonly servers: Servers; readonly rig: NodeRig }> | null = null;

  const start = async (): Promise<{ readonly servers: Servers; readonly rig: NodeRig }> => {
    const started = await startServers();
    servers = started;
    const settings = { ...SETTINGS, ...others, ...started.settings };
    const rig = await new Promise<NodeRig>((resolve, reject) => {
      journey = onNode(settings, async (running) => {
        await prepare(running);
        resolve(running);
        await new Promise<void>((end) => {
          over = end;
        });
      });
      journey.catch(reject);
    });
    return { servers: started, rig };
  };

  test.after(async () => {
    over();
    await journey.catch(() => undefined); // the start's failure has been told
    await servers?.stop();
  });

  for (const [place, faultCase] of cases.entries()) {
    const { service, fault } = faultCase;
    test(`${service}: ${fault}`, async () => {
      starting ??= start(); // here, because a hook that fails says nothing
      const { servers: running, rig } = await starting;
      const observation = await new Observer(faultCase, running, rig).observe(`${service}${place}`);
      rows.push({ service, fault, ...observation });
      if (process.env.TEST_SHOW_FAULTS !== undefined) console.log(JSON.stringify(rows.at(-1)));
      assert.is(observation.others, "nothing");
      assert.is(observation.lost, "nothing");
    });
  }
  return { test, rows };
}
