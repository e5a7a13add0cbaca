import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StatusNode } from "../../../supervisor/child.ts";
import type { MilvusServer } from "../../../tooling/servers/milvus_process.ts";
import { until } from "../../journeys/caller.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { startServer } from "./stores.ts";

const test = suite("a node without its Milvus");
let server: MilvusServer;
test.before(async () => {
  server = await startServer("milvus");
});
test.after(() => server.stop());

/** Judged sooner than in production, so that the story is told within a test. */
const IMPATIENT = {
  KENNEL_SUPERVISION_VECTOR_STORE_MIN_CALLS: "4",
  KENNEL_SUPERVISION_VECTOR_STORE_BACKOFF_MS: "100",
  KENNEL_SUPERVISION_VECTOR_STORE_MAX_BACKOFF_MS: "400",
  KENNEL_SUPERVISION_VECTOR_STORE_PROBE_TIMEOUT_MS: "1000",
  KENNEL_SUPERVISION_VECTOR_STORE_PROBE_INTERVAL_MS: "200",
  KENNEL_COORDINATOR_RECOVER_AFTER_MS: "100",
  KENNEL_MILVUS_REQUEST_TIMEOUT_MS: "2000",
};

interface Status {
  readonly mode: string;
  readonly children: readonly StatusNode[];
}

test("It starts while Milvus is down, connects when it is up, and finds texts and passages while it is gone again", async () => {
  server.kill("SIGKILL");
  const settings = { ...IMPATIENT, KENNEL_MILVUS_URL: `http://${server.address}`, KENNEL_LOAD_DOCUMENTATION: "false" };
  await onNode(settings, async ({ caller, dataDir }) => {
    const status = () => caller.must<Status>("GET", "/v1/status");
    const vectors = async () => (await status()).children.find(({ path }) => path.endsWith("/vector_store"));
    assert.is.not((await vectors())?.breaker, "closed");
    await server.restart();
    await until("Milvus is connected", async () => (await vectors())?.breaker === "closed");
    await caller.makeCollection("docs", { resident: "never" });
    await caller.addDocuments("docs", [
      { id: "water", text: "Water boils at a hundred degrees" },
      { id: "bread", text: "Bread rises because of yeast" },
    ]);
    const store = await vectors();
    assert.equal(
      [store?.details?.store, store?.details?.lexical, store?.details?.address, store?.pool?.max],
      ["milvus", "local_replica", server.address, 10],
    );
    assert.match(String(store?.details?.version), "2.3.5");
    assert.is((await caller.found("docs", { query: "boiling water" }))[0], "water");

    server.kill("SIGKILL");
    let turn = 0;
    const ask = () => caller.send<{ mode?: string }>("POST", "/v1/collections/docs/search", { query: `boiling water ${turn++}` });
    await until("what is left is the lexical side", async () => (await ask()).body.mode === "lexical");
    assert.equal(await caller.found("docs", { query: "yeast" }), ["bread"]);

    await server.restart();
    await until("all is back", async () => (await ask()).body.mode === "full");
    await caller.addDocuments("docs", [{ id: "milk", text: "Milk turns sour" }]);
    assert.is((await caller.found("docs", { query: "sour milk" }))[0], "milk");
    const { index_version: newest } = await caller.collection("docs");
    const level = () => readFile(join(dataDir, "lexical_levels", "docs.v1"), "utf8").catch(() => "");
    await until("it is on disk that the texts are of the newest version", async () => (await level()) === String(newest));
  });
});

test.run();
