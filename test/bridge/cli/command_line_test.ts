import { suite } from "uvu";
import * as assert from "uvu/assert";
import { apiKey } from "../../../bridge/cli/client.ts";
import { wrap } from "../../../bridge/cli/search.ts";
import { drawStatus } from "../../../bridge/cli/status.ts";
import { runCommand } from "./command_run.ts";
import { type ScriptedServer, startScriptedServer } from "./scripted_server.ts";
import { wireAnswer } from "./wire_samples.ts";

const test = suite("command line");

async function withServer(
  answer: Parameters<typeof startScriptedServer>[0],
  run: (server: ScriptedServer) => Promise<void>,
): Promise<void> {
  const server = await startScriptedServer(answer);
  try {
    await run(server);
  } finally {
    await server.close();
  }
}

const actor = (path: string, changes: object = {}) => ({
  path,
  kind: "retriever",
  state: "ready",
  since: "2026-01-01T00:00:00.000Z",
  incarnation: 1,
  restarts: { count: 0, max: 5, window_s: 30 },
  breaker: "closed",
  mailbox: { depth: 0, capacity: 1_000, oldest_ms: 0 },
  in_flight: 0,
  latency_ms: { p50: 0, p95: 0, p99: 0 },
  next_probe_at: null,
  last_error: null,
  children: [],
  ...changes,
});
const tree = (children: readonly object[]) => ({
  cluster: null,
  node: "n1",
  version: "0.1.0",
  readiness: "ok",
  mode: "basic",
  forced_mode: "basic",
  flags: [
    { flag: "hedging", enabled: false, default: true, source: "cluster", reason: "full", since: "2026-01-05T09:30:00.000Z", node: "n2" },
    { flag: "rerank", enabled: true, default: true, source: "settings", reason: null, since: null, node: null },
  ],
  mode_changes: [],
  nats: null,
  uptime_s: 75,
  collections: 0,
  retrievers: {
    active: 0,
    max_active: 8,
    bytes: 0,
    shedding: { optional_work: 0, load: 0 },
    answers: { hits: 0, misses: 0, entries: 0, bytes: 0 },
    computing: 0,
    replaying: 0,
  },
  bulkheads: [],
  hedging: { calls: 0, hedged: 0, won: 0, refused: 0 },
  event_loop_lag_ms: { p50: 0, p99: 0 },
  memory_bytes: 0,
  children: [...children],
  events: [],
});

test("Serve gets the checked configuration, and its exit code is the command's", async () => {
  let port = -1;
  const run = await runCommand(["serve"], {
    environment: { KENNEL_HTTP_PORT: "7777" },
    serve: async (config) => {
      port = config.http.port;
      return 7;
    },
  });
  assert.is(run.exitCode, 7);
  assert.is(port, 7_777);
});

test("A wrong configuration ends serve, config and client commands with exit code 2 and every problem", async () => {
  for (const argv of [["serve"], ["config", "check"], ["config", "print"], ["status"]]) {
    const run = await runCommand(argv, { environment: { KENNEL_HTTP_PORT: "x", KENNEL_NOPE: "1" } });
    assert.is(run.exitCode, 2, argv.join(" "));
    assert.match(run.err, "KENNEL_HTTP_PORT");
    assert.match(run.err, "KENNEL_NOPE is not a setting");
  }
});

test("Wrong usage ends with exit code 2 and says what is allowed; help ends with 0", async () => {
  for (const argv of [
    ["nope"],
    ["search", "docs"],
    ["search", "docs", "q", "--top-k", "0"],
    ["search", "docs", "q", "--filter", "{"],
    ["search", "docs", "q", "--strategy", "magic"],
  ]) {
    const run = await runCommand(argv);
    assert.is(run.exitCode, 2, argv.join(" "));
    assert.ok(run.err.length > 0);
  }
  const help = await runCommand(["--help"]);
  assert.is(help.exitCode, 0);
  for (const name of ["serve", "ingest", "search", "status", "warm", "eval", "config"]) assert.match(help.out, name);
});

test("Without a server a command says where it looked and what to do", async () => {
  const server = await startScriptedServer(() => ({ body: {} }));
  await server.close();
  const run = await runCommand(["search", "docs", "why"], { environment: { KENNEL_URL: server.url } });
  assert.is(run.exitCode, 1);
  assert.match(run.err, `Cannot reach Kennel at ${server.url}`);
  assert.match(run.err, "KENNEL_URL");
  assert.not.match(run.err, "    at ");
});

test("An address that is none, and a server that is not Kennel, are told apart", async () => {
  const wrong = await runCommand(["status"], { environment: { KENNEL_URL: "localhost:7400" } });
  assert.is(wrong.exitCode, 2);
  assert.match(wrong.err, "KENNEL_URL: expected an address");
  await withServer(
    () => ({ body: "<html>" }),
    async ({ url }) => {
      const other = await runCommand(["status"], { environment: { KENNEL_URL: url } });
      assert.is(other.exitCode, 1);
      assert.match(other.err, "did not answer as Kennel does");
    },
  );
});

test("Search sends what was asked and prints hits with rank, score, origin and passage", async () => {
  await withServer(
    () => ({ body: wireAnswer(["a.md", "b.md"]) }),
    async ({ url, requests }) => {
      const filter = '{"type":"eq","key":"lang","value":"en"}';
      const run = await runCommand(["search", "my docs", "why?", "--strategy", "bm25", "--top-k", "2", "--filter", filter], {
        environment: { KENNEL_URL: url },
      });
      assert.is(run.exitCode, 0);
      assert.is(requests[0]?.path, "/v1/collections/my%20docs/search");
      assert.equal(JSON.parse(requests[0]?.body ?? ""), { query: "why?", top_k: 2, strategy: "bm25", filters: JSON.parse(filter) });
      assert.match(run.out, " 1  1.000  a.md");
      assert.match(run.out, "    Passage of a.md");
      assert.match(run.out, "bm25 9.500 (rank 1)");
      assert.match(run.err, "2 hits, 3.3 ms, mode full, cache miss");
    },
  );
});

test("Search with --json prints the answer alone", async () => {
  await withServer(
    () => ({ body: wireAnswer(["a"]) }),
    async ({ url }) => {
      const run = await runCommand(["search", "docs", "why", "--json"], { environment: { KENNEL_URL: url } });
      assert.is(JSON.parse(run.out).data[0].document_id, "a");
      assert.is(run.err, "");
    },
  );
});

test("Search says what a degraded answer went without", async () => {
  const degradations = [{ stage: "embed", reason: "unavailable", service: "embedding", breaker: "open" }];
  await withServer(
    () => ({ body: wireAnswer(["a"], { mode: "lexical", degradations }) }),
    async ({ url }) => {
      const run = await runCommand(["search", "docs", "why"], { environment: { KENNEL_URL: url } });
      assert.match(run.err, "Without embed: embedding is unavailable");
      assert.match(run.err, "mode lexical");
    },
  );
});

test("A server's error is printed with its code and ends with exit code 1", async () => {
  await withServer(
    () => ({
      status: 404,
      body: { error: { message: "There is no collection docs", type: "invalid_request_error", code: "not_found", param: null } },
    }),
    async ({ url }) => {
      const run = await runCommand(["search", "docs", "why"], { environment: { KENNEL_URL: url } });
      assert.is(run.exitCode, 1);
      assert.is(run.err, "There is no collection docs (not_found)");
    },
  );
});

test("Status draws the tree with what is worth a look", () => {
  const text = drawStatus(
    tree([
      actor("n1/stores", {
        children: [
          actor("n1/stores/lancedb", {
            state: "suspended",
            breaker: "open",
            next_probe_at: "2026-01-01T00:00:05.000Z",
            last_error: "unavailable: gone",
            restarts: { count: 5, max: 5, window_s: 30 },
          }),
        ],
      }),
      actor("n1/retrievers", {
        mailbox: { depth: 3, capacity: 1_000, oldest_ms: 4 },
        in_flight: 2,
        latency_ms: { p50: 1.25, p95: 3, p99: 9 },
      }),
    ]) as unknown as Parameters<typeof drawStatus>[0],
  );
  const lines = text.split("\n");
  assert.is(lines[0], "n1  Kennel 0.1.0  mode basic  up 1 min 15 s");
  assert.equal(lines.splice(1, 2), ["an operator forces the mode basic", "hedging is switched off by the cluster: full"]);
  assert.match(lines[1] ?? "", /^├─ stores {6,}ready/);
  assert.match(
    lines[2] ?? "",
    /^│ {2}└─ lancedb {2}suspended {2}5 of 5 restarts in 30 s {2}breaker open, next probe .* last error: unavailable: gone$/,
  );
  assert.match(lines[3] ?? "", /^└─ retrievers {2,}ready {4,}.*mailbox 3\/1000 {2}2 in flight {2}p50 1\.3 ms {2}p99 9\.0 ms$/);
});

test("Status --watch draws again until it is interrupted", async () => {
  await withServer(
    () => ({ body: tree([actor("n1/a")]) }),
    async ({ url }) => {
      const controller = new AbortController();
      let drawn = 0;
      const run = await runCommand(["status", "--watch"], {
        environment: { KENNEL_URL: url },
        signal: controller.signal,
        onRedraw: () => {
          if (++drawn === 3) controller.abort(new Error("interrupted"));
        },
      });
      assert.is(run.exitCode, 0);
      assert.is(run.drawings.length, 3);
    },
  );
});

test("Warm warms each collection, and fails with the server's reason", async () => {
  await withServer(
    ({ path }) =>
      path.includes("missing") ? { status: 404, body: { error: { message: "Nothing has this name", code: "not_found" } } } : { body: {} },
    async ({ url, requests }) => {
      const run = await runCommand(["warm", "a", "b", "--json"], { environment: { KENNEL_URL: url } });
      assert.is(run.exitCode, 0);
      assert.equal(
        requests.map(({ method, path }) => `${method} ${path}`),
        ["POST /v1/collections/a/warm", "POST /v1/collections/b/warm"],
      );
      assert.equal(
        JSON.parse(run.out).map((row: { collection: string }) => row.collection),
        ["a", "b"],
      );
      assert.is((await runCommand(["warm", "missing"], { environment: { KENNEL_URL: url } })).exitCode, 1);
    },
  );
});

test("A passage is wrapped at words and cut with an ellipsis", () => {
  assert.equal(wrap("one two three", 7, 4), ["one two", "three"]);
  assert.equal(wrap("one two three four", 7, 2), ["one two", "three …"]);
  assert.equal(wrap("  ", 10, 2), []);
});

test("The key of the command line comes from its variable, or from the file that another one names", () => {
  const of = (environment: Record<string, string>) => {
    const readFile = (path: string) => (path === "/srv/key" ? "kennel_a\n" : path === "/srv/empty" ? "" : null);
    return apiKey({ environment, readFile, workingFolder: "/srv" });
  };
  assert.equal([of({}), of({ KENNEL_API_KEY: "kennel_b" }), of({ KENNEL_API_KEY_FILE: "key" })], [null, "kennel_b", "kennel_a"]);
  assert.is(of({ KENNEL_API_KEY: "kennel_b", KENNEL_API_KEY_FILE: "key" }), "kennel_b");
  assert.is(of({ KENNEL_API_KEY_FILE: "empty" }), null);
  assert.throws(() => of({ KENNEL_API_KEY_FILE: "none" }), /KENNEL_API_KEY_FILE/);
});

test.run();
