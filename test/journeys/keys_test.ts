/** Keys of a node that runs: made, used, replaced and revoked from the command line beside it. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../bridge/cli/command_run.ts";
import { type Caller, until } from "./caller.ts";
import { type NodeRig, onNode } from "./node_rig.ts";

const REQUIRED = { KENNEL_AUTH: "required", KENNEL_KEYS_CHECK_MS: "100" };

/** What a command prints that runs beside the node. */
async function kennel({ dataDir, node }: NodeRig, argv: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return runCommand(argv, { environment: { KENNEL_DATA_DIR: dataDir, KENNEL_URL: node.url, ...environment } });
}

async function makeKey(rig: NodeRig, scope: string, collections: string): Promise<string> {
  const { exitCode, out, err } = await kennel(rig, ["keys", "create", "--name", "test", "--scope", scope, "--collections", collections]);
  assert.is(exitCode, 0, err);
  return out;
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const statusOf = async (caller: Caller, key: string) => (await caller.send("GET", "/v1/collections", undefined, bearer(key))).status;
const taken = (caller: Caller, key: string) => until("the key is taken", async () => (await statusOf(caller, key)) === 200);

test("A first key is made beside the running node; each key does what it may, until it is revoked", async () => {
  await onNode(REQUIRED, async (rig) => {
    const { caller } = rig;
    await caller.refused("unauthorized", "GET", "/v1/collections");
    assert.is((await caller.send("GET", "/readyz")).status, 200);
    const admin = await makeKey(rig, "admin", "*");
    await taken(caller, admin);
    await caller.must("PUT", "/v1/collections/birds", {}, bearer(admin));
    const documents = [{ id: "heron", text: "Herons nest in colonies." }];
    const write = await makeKey(rig, "write", "birds");
    const read = await makeKey(rig, "read", "birds,fish*");
    await taken(caller, read);
    const job = await caller.must<{ id: string }>("POST", "/v1/collections/birds/documents", { documents }, bearer(write));
    await until("it is indexed", async () => {
      const { status } = await caller.must<{ status: string }>("GET", `/v1/jobs/${job.id}`, undefined, bearer(read));
      return status === "completed";
    });
    const found = await kennel(rig, ["search", "birds", "where do herons nest?", "--json"], { KENNEL_API_KEY: read });
    assert.is(JSON.parse(found.out).data[0].document_id, "heron", found.err);
    assert.is((await caller.send("POST", "/v1/collections/birds/documents", { documents }, bearer(read))).status, 403);
    assert.is((await caller.send("DELETE", "/v1/collections/mammals", undefined, bearer(write))).status, 403);
    assert.is((await caller.send("PUT", "/v1/mode", { mode: "basic" }, bearer(write))).status, 403);
    assert.is((await caller.send("PUT", "/v1/mode", { mode: null }, bearer(admin))).status, 200);
    for (const path of ["/v1/status", "/v1/collections/secret"])
      assert.is((await caller.send("GET", path, undefined, bearer(read))).status, 403, path);

    const next = await makeKey(rig, "read", "birds");
    await taken(caller, next);
    const [, id = ""] = read.split("_");
    assert.is((await kennel(rig, ["keys", "revoke", id])).exitCode, 0);
    await until("the key is refused", async () => (await statusOf(caller, read)) === 401);
    assert.is(await statusOf(caller, next), 200, "the key that replaces it was good before and after");
    await rig.restart();
    assert.equal([await statusOf(rig.caller, read), await statusOf(rig.caller, next)], [401, 200]);
    const keys = JSON.parse((await kennel(rig, ["keys", "list", "--json"])).out) as { id: string; last_used_at: string | null }[];
    assert.ok(
      keys.some((key) => next.includes(key.id) && key.last_used_at !== null),
      "when it was last used outlives the node",
    );
  });
});

test("A command without its key is told what to set, and a key that is none is not shown", async () => {
  await onNode(REQUIRED, async (rig) => {
    const { exitCode, err } = await kennel(rig, ["search", "birds", "herons"]);
    assert.is(exitCode, 1);
    assert.match(err, "set KENNEL_API_KEY");
    const wrong = await kennel(rig, ["search", "birds", "herons"], { KENNEL_API_KEY: "cana\u0000ry" });
    assert.is(wrong.exitCode, 2);
    assert.match(wrong.err, "KENNEL_API_KEY");
    assert.not.match(wrong.err, "cana");
  });
});

test("Nodes that share a file of keys take and refuse the same ones", async () => {
  await onNode(REQUIRED, async (first) => {
    const file = join(first.dataDir, "keys.json");
    await onNode({ ...REQUIRED, KENNEL_KEYS_FILE: file }, async (second) => {
      const key = await makeKey(first, "read", "*");
      for (const { caller } of [first, second]) await taken(caller, key);
      await kennel(first, ["keys", "revoke", key.split("_")[1] ?? ""]);
      for (const { caller } of [first, second]) await until("it is refused", async () => (await statusOf(caller, key)) === 401);
    });
  });
});

test.run();
