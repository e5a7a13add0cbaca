import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type RetrieverFault, RetrieverFaults } from "../../bench/harness/retriever_faults.ts";
import type { WireError } from "../../bridge/schema/errors.ts";
import { loadConfig } from "../../config/load.ts";
import { startNode } from "../../node/node.ts";
import { systemClock } from "../../runtime/clock.ts";
import { systemRandom } from "../../runtime/random.ts";
import type { StatusNode, SupervisionEvent } from "../../supervisor/child.ts";
import { Caller, until } from "./caller.ts";

/** Judged sooner than in production, so that the story is told within a test. */
const IMPATIENT = {
  restartIntensity: 2,
  minCalls: 5,
  slowCallMs: 100,
  backoffMs: 50,
  maxBackoffMs: 200,
  probeIntervalMs: 1_000, // answered probes are calls as well, and quick ones
  probeTimeoutMs: 200,
  maxFailedProbes: 2,
  stopGraceMs: 100,
  stopLimitMs: 300,
};

interface Status {
  readonly children: readonly StatusNode[];
  readonly events: readonly SupervisionEvent[];
}

/** A node with the collections `sick` and `well`, and the means to make one's retriever fail. */
async function onIsolationNode(journey: (caller: Caller, faults: RetrieverFaults) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-isolation-"));
  const config = loadConfig({
    environment: { KENNEL_PROFILE: "test", KENNEL_NODE_NAME: "journey", KENNEL_DATA_DIR: join(folder, "data") },
    readFile: () => null,
    hostName: () => "journey",
    workingFolder: folder,
  });
  const faults = new RetrieverFaults();
  const supervision = { ...config.supervision, retriever: { ...config.supervision.retriever, ...IMPATIENT } };
  const node = await startNode({ ...config, supervision }, { clock: systemClock(), random: systemRandom(), retrieverTap: faults.tap });
  try {
    const caller = new Caller(node.url);
    for (const name of ["sick", "well"]) {
      await caller.makeCollection(name);
      await caller.addDocuments(name, [{ id: name, text: "water" }]);
      await caller.must("POST", `/v1/collections/${name}/warm`);
    }
    await journey(caller, faults);
  } finally {
    faults.set("sick", null);
    await node.stop("the journey has ended");
    await rm(folder, { recursive: true, force: true });
  }
}

const TELLING = ["unavailable", "internal", "deadline_exceeded"];

const STORIES: readonly { readonly fault: RetrieverFault; readonly told: readonly SupervisionEvent["event"][] }[] = [
  { fault: { kind: "crash" }, told: ["crashed", "restarted", "suspended", "probing", "ready"] },
  { fault: { kind: "hang" }, told: ["suspended", "probing", "ready"] },
  { fault: { kind: "slow", delayMs: 150 }, told: ["suspended", "probing", "ready"] },
];

for (const { fault, told } of STORIES) {
  test(`A retriever made to ${fault.kind} is told of at once, touches no other, and comes back by itself`, () =>
    onIsolationNode(async (caller, faults) => {
      let turn = 0;
      const ask = (collection: string) =>
        caller.send<Partial<WireError>>(
          "POST",
          `/v1/collections/${collection}/search`,
          { query: `the water ${turn++}` },
          { "x-request-timeout-ms": "400" },
        );
      faults.set("sick", fault);
      const codes = new Set<string>();
      await until("the sick one is suspended", async () => {
        const replies = await Promise.all(Array.from({ length: 8 }, () => ask("sick")));
        for (const { status, body } of replies) if (status !== 200) codes.add(body.error?.code ?? "none");
        const well = await caller.search("well", { query: `the water ${turn++}` });
        assert.equal([well.mode, well.degradations, well.data[0]?.document_id], ["full", [], "well"]);
        return (await eventsOf(caller, "sick")).includes("suspended");
      });
      assert.equal(
        [...codes].filter((code) => !TELLING.includes(code)),
        [],
      );
      const refused = await ask("sick");
      if (refused.status !== 200) {
        assert.ok(TELLING.includes(refused.body.error?.code ?? ""), JSON.stringify(refused.body));
        if (refused.body.error?.code === "unavailable") assert.ok(refused.headers.has("retry-after"));
      }

      faults.set("sick", null);
      await until("the sick one answers in full again", async () => (await ask("sick")).status === 200);
      await until("its breaker is closed", async () => (await retriever(caller, "sick"))?.breaker === "closed");
      const sick = await retriever(caller, "sick");
      assert.is(sick?.state, "ready");
      assert.ok((sick?.incarnation ?? 0) > 1);
      assert.match(String(sick?.last_error), /\w/);
      const story = await eventsOf(caller, "sick");
      let from = 0;
      for (const event of told) {
        const at = story.indexOf(event, from);
        assert.ok(at >= 0, `${event} after ${story.slice(0, from)} in ${story}`);
        from = at;
      }

      const well = await retriever(caller, "well");
      assert.equal(
        [well?.state, well?.breaker, well?.incarnation, well?.restarts.count, well?.last_error],
        ["ready", "closed", 1, 0, null],
      );
      assert.equal([well?.counts?.failed, well?.counts?.expired, well?.counts?.rejected], [0, 0, 0]);
      assert.equal(
        (await eventsOf(caller, "well")).filter((event) => event !== "started" && event !== "ready"),
        [],
      );
      assert.equal(await caller.must("GET", "/readyz"), { status: "ok" });
    }));
}

async function retriever(caller: Caller, collection: string): Promise<StatusNode | undefined> {
  const { children } = await caller.must<Status>("GET", "/v1/status");
  const retrievers = children.find(({ path }) => path.endsWith("/retrievers"))?.children ?? [];
  return retrievers.find(({ path }) => path.includes(`/retrievers/${collection}`));
}

async function eventsOf(caller: Caller, collection: string): Promise<SupervisionEvent["event"][]> {
  const { events } = await caller.must<Status>("GET", "/v1/status");
  return events.filter(({ path }) => path.includes(`/retrievers/${collection}`)).map(({ event }) => event);
}

test.run();
