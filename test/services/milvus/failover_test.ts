import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StatusNode } from "../../../supervisor/child.ts";
import type { MilvusServer } from "../../../tooling/servers/milvus_process.ts";
import { type Caller, until } from "../../journeys/caller.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { type FaultProxy, startFaultProxy } from "../../support/fault_proxy.ts";
import { startServer } from "./stores.ts";

const test = suite("a Milvus with two addresses");
let server: MilvusServer;
let proxies: readonly FaultProxy[] = [];
test.before(async () => {
  server = await startServer("milvus_lite");
  const port = Number(server.address.split(":").at(-1));
  proxies = await Promise.all([startFaultProxy(port), startFaultProxy(port)]);
});
test.after(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await server.stop();
});

/** Judged sooner than in production, so that the story is told within a test. */
const IMPATIENT = {
  KENNEL_SUPERVISION_VECTOR_STORE_MIN_CALLS: "4",
  KENNEL_SUPERVISION_VECTOR_STORE_BACKOFF_MS: "100",
  KENNEL_SUPERVISION_VECTOR_STORE_MAX_BACKOFF_MS: "400",
  KENNEL_SUPERVISION_VECTOR_STORE_PROBE_TIMEOUT_MS: "1500",
  KENNEL_SUPERVISION_VECTOR_STORE_PROBE_INTERVAL_MS: "200",
  KENNEL_SUPERVISION_VECTOR_STORE_MAX_FAILED_PROBES: "2",
  KENNEL_COORDINATOR_RECOVER_AFTER_MS: "100",
  KENNEL_MILVUS_REQUEST_TIMEOUT_MS: "2000",
  KENNEL_LOAD_DOCUMENTATION: "false",
};

async function store(caller: Caller): Promise<{ readonly breaker: string; readonly address: unknown }> {
  const { children } = await caller.must<{ readonly children: readonly StatusNode[] }>("GET", "/v1/status");
  const found = children.find(({ path }) => path.endsWith("/vector_store"));
  return { breaker: found?.breaker ?? "none", address: found?.details?.address };
}

/** Searched over the store, past every cache. */
let turn = 0;
const ask = (caller: Caller) =>
  caller.send<{ readonly mode?: string; readonly data?: readonly { readonly document_id: string }[] }>(
    "POST",
    "/v1/collections/docs/search",
    { query: `boiling water ${turn++}`, strategy: "vector", allow_degraded: false },
  );

for (const fault of ["refuse", "hang"] as const) {
  test(`Reads and writes go on at the other address when the first is away (${fault}), and back when it can be searched again`, async () => {
    const [first, second] = proxies as readonly [FaultProxy, FaultProxy];
    const [firstAddress, secondAddress] = [first, second].map(({ port }) => `127.0.0.1:${port}`) as [string, string];
    const settings = { ...IMPATIENT, KENNEL_MILVUS_URL: `http://${firstAddress},http://${secondAddress}` };
    await onNode(settings, async ({ caller }) => {
      await caller.makeCollection("docs", { resident: "never" });
      await caller.addDocuments("docs", [{ id: "water", text: "Water boils at a hundred degrees" }]);
      assert.is((await store(caller)).address, firstAddress);

      await first.set({ kind: fault });
      await until(
        "the second address answers",
        async () => (await ask(caller)).status === 200 && (await store(caller)).address === secondAddress,
      );
      await caller.addDocuments("docs", [{ id: "bread", text: "Bread rises because of yeast" }]);
      assert.equal((await ask(caller)).body.data?.map(({ document_id }) => document_id).sort(), ["bread", "water"]);

      await first.set({ kind: "pass" });
      await until("the first address is used again", async () => (await store(caller)).address === firstAddress);
      assert.equal((await ask(caller)).body.data?.map(({ document_id }) => document_id).sort(), ["bread", "water"]);
      assert.is((await store(caller)).breaker, "closed");
      // The client keeps one connection to an address that it has known; calls go to the first alone.
      const sent = second.bytesSent;
      for (let times = 0; times < 5; times += 1) assert.is((await ask(caller)).status, 200);
      assert.ok(second.bytesSent - sent < 200, `${second.bytesSent - sent} bytes went to the second`);
      await caller.must("DELETE", "/v1/collections/docs");
    });
  });
}

test.run();
