// The official client of the Model Context Protocol against a whole node, in both protocols.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Caller } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const STATELESS = "2026-07-28";
const PETS = [
  {
    id: "beagle",
    title: "Beagle",
    text: "A small scent hound, bred to hunt hare.",
    url: "https://example.com/beagle",
    attributes: { kind: "dog" },
  },
  { id: "a/b c", title: "", text: "A cat without a tail, from the Isle of Man." },
];

interface SearchOutput {
  readonly results: readonly { readonly id: string; readonly title: string; readonly url: string; readonly text: string }[];
  readonly mode: string;
  readonly degradations: readonly string[];
}

async function withClient(
  url: string,
  mode: "legacy" | "auto" | { readonly pin: string },
  use: (client: Client) => Promise<void>,
): Promise<void> {
  const client = new Client({ name: "test", version: "1.0.0" }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", url)));
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

async function fill(caller: Caller): Promise<void> {
  await caller.makeCollection("pets");
  await caller.addDocuments("pets", PETS);
  await caller.makeCollection("empty");
}

for (const mode of ["legacy", "auto", { pin: STATELESS }] as const) {
  test(`An agent searches, and fetches what it has found (${JSON.stringify(mode)})`, () =>
    onNode({}, async ({ caller }) => {
      await fill(caller);
      await withClient(caller.url, mode, async (client) => {
        const { tools } = await client.listTools();
        assert.equal(
          tools.map(({ name }) => name),
          ["search", "fetch"],
        );
        const found = (await client.callTool({ name: "search", arguments: { query: "hunting hare" } }))
          .structuredContent as unknown as SearchOutput;
        assert.is(found.mode, "full");
        assert.equal([found.results[0]?.id, found.results[0]?.url], ["pets/beagle", "https://example.com/beagle"]);
        const one = await client.callTool({ name: "fetch", arguments: { id: "pets/beagle" } });
        assert.equal(one.structuredContent, {
          id: "pets/beagle",
          title: "Beagle",
          text: PETS[0]?.text,
          url: "https://example.com/beagle",
          metadata: { kind: "dog" },
        });
        const text = one.content[0];
        assert.equal(text?.type === "text" ? JSON.parse(text.text) : null, one.structuredContent);
      });
    }));
}

test("A document without an address of its own is cited by where the node shows it", () =>
  onNode({}, async ({ caller }) => {
    await fill(caller);
    await withClient(caller.url, "auto", async (client) => {
      const { structuredContent } = await client.callTool({ name: "search", arguments: { query: "tail", collection: "pets", limit: 1 } });
      const [hit] = (structuredContent as unknown as SearchOutput).results;
      assert.is(hit?.id, "pets/a/b c");
      const shown = await fetch(hit?.url ?? "");
      assert.is(((await shown.json()) as { readonly id: string }).id, "a/b c");
      const whole = await client.callTool({ name: "fetch", arguments: { id: hit?.id } });
      assert.is((whole.structuredContent as { readonly url?: string } | undefined)?.url, hit?.url);
    });
  }));

test("A tool's failure says what was wrong, and the client's own mistakes are the protocol's errors", () =>
  onNode({}, async ({ caller }) => {
    await fill(caller);
    await withClient(caller.url, { pin: STATELESS }, async (client) => {
      const failed = async (name: string, args: Record<string, unknown>) => {
        const result = await client.callTool({ name, arguments: args });
        assert.is(result.isError, true);
        return result.content[0]?.type === "text" ? result.content[0].text : "";
      };
      assert.match(await failed("fetch", { id: "pets/none" }), /not_found.*"param":"id"/);
      assert.match(await failed("fetch", { id: "nothing" }), "names no collection");
      assert.match(await failed("search", { query: "a", collection: "none" }), "not_found");
      assert.match(await failed("search", { query: "a", limit: 500 }), "limit");
    });
  }));

test("What is no message of the protocol is refused in the protocol's own shape", () =>
  onNode({}, async ({ caller }) => {
    const code = async (body: unknown, headers: Record<string, string> = {}) => {
      const reply = await caller.send<{ readonly error?: { readonly code?: unknown } }>("POST", "/mcp", body, headers);
      return [reply.status, reply.body.error?.code];
    };
    assert.equal(await code("{", { "content-type": "application/json" }), [400, -32700]);
    assert.equal(await code([]), [400, -32600]);
    assert.equal(await code({ jsonrpc: "1.0", id: 1, method: "ping" }), [400, -32600]);
    assert.equal(await code({ jsonrpc: "2.0", id: 1, method: "subscriptions/listen" }), [404, -32601]);
    assert.equal(await code({ jsonrpc: "2.0", id: 1, method: "tools/invent" }), [200, -32601]);
    assert.is((await caller.send("GET", "/mcp")).status, 405);
  }));

test("A page of another origin may not use the tools, one of this machine may", () =>
  onNode({ KENNEL_HTTP_CORS_ORIGINS: "https://agent.example.com" }, async ({ caller }) => {
    const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
    const from = async (origin: string) => (await caller.send("POST", "/mcp", ping, { origin })).status;
    assert.is(await from("https://evil.example.com"), 403);
    assert.is(await from("null"), 403);
    assert.is(await from("https://agent.example.com"), 200);
    assert.is(await from("http://localhost:3000"), 200);
  }));

test.run();
