// Keys over a real NATS: in a message's header, as a client and as the stock command send it.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect, headers as natsHeaders } from "nats";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../bridge/cli/command_run.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { natsCommandPath } from "../../support/services.ts";
import { startServer, until, WAIT_MS } from "./nats_rig.ts";

const run = promisify(execFile);

test("A message without a key, with a wrong one or for a foreign collection is refused, others are answered", async () => {
  const server = await startServer();
  const client = await connect({ servers: server.address });
  try {
    await onNode({ KENNEL_NATS_URL: server.url, KENNEL_AUTH: "required", KENNEL_KEYS_CHECK_MS: "100" }, async ({ node, dataDir }) => {
      const makeKey = async (scope: string, collections: string) => {
        const environment = { KENNEL_KEYS_FILE: join(dataDir, "keys.json") };
        return (await runCommand(["keys", "create", "--name", "t", "--scope", scope, "--collections", collections], { environment })).out;
      };
      const ask = async (subject: string, body: object, key: string | null) => {
        const headers = natsHeaders();
        if (key !== null) headers.set("Authorization", `Bearer ${key}`);
        const reply = await client.request(subject, JSON.stringify(body), { timeout: WAIT_MS, headers });
        return { code: reply.headers?.get("Nats-Service-Error-Code") ?? "", text: reply.string() };
      };
      const writer = await makeKey("write", "*");
      const reader = await makeKey("read", "pets");
      await until("the service takes the keys", async () => {
        const list = await fetch(`${node.url}/v1/collections`, { headers: { authorization: `Bearer ${reader}` } });
        return list.status === 200 && (await ask("kennel.v1.status", {}, writer).catch(() => null))?.code === "";
      });
      for (const name of ["pets", "secret"]) {
        const headers = { authorization: `Bearer ${writer}` };
        assert.is((await fetch(`${node.url}/v1/collections/${name}`, { method: "PUT", headers })).status, 201);
      }
      const question = { query: "dogs" };
      assert.is((await ask("kennel.v1.search.pets", question, null)).code, "401");
      assert.is((await ask("kennel.v1.search.pets", question, "kennel_x")).code, "401");
      assert.equal(await ask("kennel.v1.search.pets", question, reader).then(({ code }) => code), "");
      for (const name of ["secret", "secreu"]) assert.is((await ask(`kennel.v1.search.${name}`, question, reader)).code, "403");
      assert.is((await ask("kennel.v1.search", { ...question, collection: "secret" }, reader)).code, "403");
      assert.is((await ask("kennel.v1.chat.secret", { messages: [{ role: "user", content: "dogs?" }] }, reader)).code, "403");
      assert.is((await ask("kennel.v1.ingest.pets", { documents: [{ id: "a", text: "a" }] }, reader)).code, "403");
      assert.is((await ask("kennel.v1.status", {}, reader)).code, "403");
      const command = [
        "--server",
        server.url,
        "req",
        "-H",
        `Authorization:Bearer ${reader}`,
        "--raw",
        "kennel.v1.search.pets",
        '{"query":"dogs"}',
      ];
      assert.is(JSON.parse((await run(natsCommandPath(), command)).stdout).object, "list");
    });
  } finally {
    await client.close();
    await server.stop();
  }
});

test.run();
