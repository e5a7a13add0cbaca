// The matrix of who asks, what and how, over a real NATS: as over HTTP, and a scope that a client makes up is none.
import { connect, headers as natsHeaders } from "nats";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { noteAccessRun, runtimeOfThis } from "../../../tooling/access_matrix.ts";
import type { Ask } from "../../journeys/access_matrix.ts";
import { onAccessNode, runBriefMatrix, seed } from "../../journeys/access_rig.ts";
import { startServer, until, WAIT_MS } from "./nats_rig.ts";

/** What nodes send one another beside a question; of a client it means nothing. */
const MADE_UP = JSON.stringify({ tenant: "default", principals: null });

test("Over NATS no caller is told of what is not for them, whatever scope they make up, and each of what is", async () => {
  const server = await startServer();
  const client = await connect({ servers: server.address });
  try {
    await onAccessNode(
      async (rig) => {
        await seed(rig);
        let messages = 0;
        const overNats: Ask = async (method, path, body, given) => {
          const subject = subjectOf(path, body);
          if (subject === null) return rig.ask(method, path, body, given);
          const headers = natsHeaders();
          for (const [name, value] of Object.entries(given)) headers.set(name, value);
          headers.set("Kennel-Scope", MADE_UP);
          messages++;
          const reply = await client.request(subject, JSON.stringify(body), { timeout: WAIT_MS, headers });
          return { status: Number(reply.headers?.get("Nats-Service-Error-Code") || 200), text: reply.string() };
        };
        await until("the service answers", async () => {
          const headers = rig.headers;
          const asked = await overNats("POST", "/v1/collections/held/search", { query: "heron" }, headers).catch(() => null);
          return asked?.status === 200;
        });
        const { leaks, lacks, rows } = await runBriefMatrix({ ...rig, ask: overNats });
        assert.equal(leaks.slice(0, 20), [], `${leaks.length} leaks`);
        assert.equal(lacks.slice(0, 20), [], `${lacks.length} answers lack what they should have`);
        noteAccessRun({ kind: "matrix", transport: "NATS", runtime: runtimeOfThis(), rows, leaks: leaks.length });
        assert.ok(messages > 100, `${messages} messages`);
        const spoofed = { ...rig.headersOf({ name: "ann", scope: "read", collections: "*" }), "X-Kennel-Principals": "user:bob" };
        assert.is((await overNats("POST", "/v1/collections/held/search", { query: "heron" }, spoofed)).status, 403);
      },
      { KENNEL_NATS_URL: server.url },
    );
  } finally {
    await client.close();
    await server.stop();
  }
});

/** Null: there is no subject for it. */
function subjectOf(path: string, body: unknown): string | null {
  const [, collection] = /^\/v1\/collections\/([^/]+)\/search$/.exec(path) ?? [];
  if (collection !== undefined) return `kennel.v1.search.${collection}`;
  if (path !== "/v1/chat/completions") return null;
  return `kennel.v1.chat.${(body as { readonly model: string }).model}`;
}

test.run();
