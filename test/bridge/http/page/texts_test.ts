import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { facts } from "../../../../bridge/http/page/browser/actor_details.js";
import { phaseRows } from "../../../../bridge/http/page/browser/answer.js";
import { createApi, readFailure, toFailure } from "../../../../bridge/http/page/browser/api.js";
import { pickCollection } from "../../../../bridge/http/page/browser/ask.js";
import { clusterSummary } from "../../../../bridge/http/page/browser/cluster_view.js";
import { formatMs, formatScore, formatSpan, formatValue, safeLink } from "../../../../bridge/http/page/browser/format.js";
import { highlightParts } from "../../../../bridge/http/page/browser/highlight.js";
import { createLatencyHistory, createModeHistory } from "../../../../bridge/http/page/browser/history.js";
import { createMemory } from "../../../../bridge/http/page/browser/memory.js";
import { upkeepCells } from "../../../../bridge/http/page/browser/upkeep_view.js";
import { child } from "./recorded_answers.ts";

const test = suite("page texts");

test("A link is followed over HTTP only", () => {
  assert.is(safeLink("https://kennel.example/a b"), "https://kennel.example/a%20b");
  assert.is(safeLink("http://kennel.example"), "http://kennel.example/");
  for (const url of [
    "javascript:alert(1)",
    " JavaScript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "//kennel.example",
    "docs/a.md",
    "",
  ]) {
    assert.is(safeLink(url), null, url);
  }
});

test("A cluster is told of by who lives, who leads, and what is wrong with this node in it", () => {
  const node = { node: "a", state: "alive", since_s: 1, heard_s: 0, lag_ms: 1, in_flight: 0, queue: 0, capacity: 64, collections: 1 };
  const cluster = {
    connection: "connected",
    is_name_taken: false,
    leader: "a",
    mode: "full",
    nodes: [node, { ...node, state: "dead" }],
    collections: [],
    pending_moves: 0,
  };
  assert.is(clusterSummary(cluster), "1 of 2 nodes alive · a leads");
  const troubled = clusterSummary({
    ...cluster,
    connection: "isolated",
    is_name_taken: true,
    leader: null,
    mode: "no_rewrite",
    pending_moves: 2,
  });
  for (const part of ["nobody leads", "isolated", "name is taken", "2 moves under way", "mode no rewrite at worst"])
    assert.match(troubled, part);
});

test("A task of upkeep is told of by its last run, what came of it, and when it is due", () => {
  const nowMs = Date.UTC(2026, 0, 5, 9, 45);
  const task = {
    task: "optimize_indexes",
    is_paused: false,
    is_running: false,
    runs: 12,
    failures: 1,
    last_run_at: new Date(nowMs - 30_000).toISOString(),
    last_duration_ms: 41,
    last_count: 2,
    total: 3,
    last_error: null,
    next_run_at: new Date(nowMs + 20_000).toISOString(),
  };
  assert.equal(upkeepCells(task, nowMs), ["optimize indexes", "waits", "30 s ago", "2 things in 41.0 ms", "in 20 s", "12, 1 failed"]);
  assert.is(upkeepCells({ ...task, last_count: 0 }, nowMs)[3], "nothing to do");
  const paused = upkeepCells({ ...task, is_paused: true, next_run_at: null, last_error: "unavailable: away" }, nowMs);
  assert.equal(paused.slice(1, 5), ["paused", "30 s ago", "unavailable: away", ""]);
  assert.equal(upkeepCells({ ...task, is_running: true, last_run_at: null, next_run_at: null }, nowMs).slice(1, 5), [
    "runs",
    "not yet",
    "",
    "",
  ]);
});

test("Highlighting changes nothing of a passage's text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (text, query) => {
      assert.is(
        highlightParts(text, query)
          .map((part) => part.text)
          .join(""),
        text,
      );
    }),
  );
});

test("Highlighting finds other forms of the question's words and passes over its small ones", () => {
  const found = (text: string, query: string) => highlightParts(text, query).flatMap((part) => (part.isMatch ? [part.text] : []));
  assert.equal(found("Crashes restart it; it restarted after the crash.", "What does a crash restart?"), [
    "Crashes",
    "restart",
    "restarted",
    "crash",
  ]);
  assert.equal(found("Größere Speicher", "speicher"), ["Speicher"]);
  assert.equal(found("what does it do", "what does it do"), []);
});

test("A failed answer is read in the error's own words", () => {
  const body = JSON.stringify({ error: { message: "Collection is busy", type: "rate_limit_error", code: "overloaded", param: null } });
  const failure = readFailure(429, body, new Headers({ "retry-after": "2", "x-request-id": "r1" }));
  assert.equal(failure, {
    code: "overloaded",
    message: "Collection is busy",
    param: null,
    status: 429,
    requestId: "r1",
    retryAfterMs: 2000,
    isRetryable: true,
  });
});

test("An answer of something that is not Kennel is still a failure with words", () => {
  for (const body of ["<html>Bad gateway</html>", "", "null", '"text"', '{"error":"text"}', '{"error":{"message":7}}']) {
    const failure = readFailure(502, body, new Headers());
    assert.is(failure.code, "http_502");
    assert.is(failure.message, "The server answered with status 502");
    assert.is(failure.isRetryable, true);
  }
});

test("No answer at all is told apart from a late one", () => {
  assert.is(toFailure(new TypeError("fetch failed")).code, "unreachable");
  assert.is(toFailure(AbortSignal.abort(new DOMException("late", "TimeoutError")).reason).code, "timeout");
});

test("The page begins with the collection asked last, then the documentation, then the first", () => {
  const collections = ["a", "kennel", "z"].map((name) => ({ name, documents: 1, chunks: 1 }));
  assert.is(pickCollection(collections, "z"), "z");
  assert.is(pickCollection(collections, "deleted"), "kennel");
  assert.is(pickCollection(collections.slice(0, 1), null), "a");
  assert.is(pickCollection([], "z"), null);
});

test("Phases come in a query's order with their share of the total, unknown ones last", () => {
  const rows = phaseRows({ total: 10, later: 1, fetch: 2, embed: 5 });
  assert.equal(
    rows.map(({ name, share }) => [name, share]),
    [
      ["embed", 0.5],
      ["fetch", 0.2],
      ["later", 0.1],
    ],
  );
  assert.is(phaseRows({ total: 0, embed: 0 })[0]?.share, 0);
});

test("Times are written with the digits that matter", () => {
  assert.equal([0.4213, 12.34, 840.2, 2413, 61_000, Number.NaN].map(formatMs), ["0.42 ms", "12.3 ms", "840 ms", "2.41 s", "61.0 s", "–"]);
  assert.equal([0, 59, 200, 7500, 792_000, 3600].map(formatSpan), ["0 s", "59 s", "3 min 20 s", "2 h 5 min", "9 d 4 h", "1 h"]);
});

test("Scores and attributes of any kind fit on a line", () => {
  assert.equal([0.53124, 14.2041, 1234.56, -0.5, Number.NaN].map(formatScore), ["0.531", "14.20", "1234.6", "-0.500", "–"]);
  assert.equal(["text", 3, 0.1 + 0.2, true, ["a", "b"], { pool: 2 }, null].map(formatValue), [
    "text",
    "3",
    "0.3",
    "true",
    "a, b",
    '{"pool":2}',
    "null",
  ]);
});

test("The latency history keeps a bounded number of intervals and breaks its lines over a gap", () => {
  const history = createLatencyHistory(3);
  const push = (wallMs: number) => history.push({ wallMs, p50Ms: 1, p95Ms: 2, p99Ms: 3, perSecond: 4, failedPerSecond: 0 });
  push(0);
  push(2000);
  push(60_000);
  assert.equal(history.columns()[0], [2, 2.001, 60]);
  assert.equal(history.columns()[1], [1, null, 1]);
});

test("The mode history joins the same mode and leaves no hole between two", () => {
  const history = createModeHistory(2);
  for (const [mode, wallMs] of [
    ["full", 0],
    ["full", 1000],
    ["lexical", 2000],
    ["full", 3000],
    ["full", 4000],
  ] as const)
    history.push(mode, wallMs);
  assert.equal(history.spans(), [
    { mode: "lexical", fromMs: 2000, toMs: 3000 },
    { mode: "full", fromMs: 3000, toMs: 4000 },
  ]);
});

test("What is told of an actor leaves out what does not apply to it", () => {
  const nothing = { p50: 0, p95: 0, p99: 0 };
  const supervisor = child("retrievers", "supervisor", {
    restarts: { count: 0, max: 0, window_s: 0 },
    mailbox: { depth: 0, capacity: 0, oldest_ms: 0 },
    latency_ms: nothing,
  });
  assert.equal(facts(supervisor, 0), [
    ["Kind", "supervisor"],
    ["Incarnation", "1"],
    ["Breaker", "closed"],
  ]);
  const busy = child("store", "vector_store", {
    restarts: { count: 6, max: 5, window_s: 30 },
    breaker: "half_open",
    mailbox: { depth: 12, capacity: 1000, oldest_ms: 40 },
    in_flight: 3,
    next_probe_at: "2026-01-01T00:00:05.000Z",
    counts: { ok: 1200, failed: 0, rejected: 0, expired: 2, cancelled: 0, slow: 0 },
  });
  const told = new Map(facts(busy, Date.parse("2026-01-01T00:00:01.000Z")));
  assert.equal(
    ["Restarts", "Breaker", "Next probe", "Mailbox", "Oldest waits", "In flight", "p99", "Answered", "Failed", "Expired"].map((term) =>
      told.get(term),
    ),
    ["6 of 5 allowed in 30 s", "half open", "in 4 s", "12 of 1,000", "40.0 ms", "3", "7.20 ms", "1,200", undefined, "2"],
  );
});

test("A search asks for the server's result cache, and only what is read is asked for anew", async () => {
  const sent: (RequestInit | undefined)[] = [];
  const fetch = async (_: unknown, init?: RequestInit) => {
    sent.push(init);
    return new Response('{"data":[],"next":null}');
  };
  const api = createApi({ fetch, nowMs: () => 0, key: () => "kennel_secret" });
  await api.search({ collection: "a b", query: "q", strategy: "bm25", topK: 3 }, AbortSignal.timeout(1000));
  await api.collections(AbortSignal.timeout(1000));
  assert.equal(
    sent.map((init) => init?.cache),
    [undefined, "no-store"],
  );
  assert.equal(JSON.parse(String(sent[0]?.body)), {
    query: "q",
    strategy: "bm25",
    top_k: 3,
    include: ["text", "attributes", "scores", "ranks"],
  });
  assert.is(new Headers(sent[1]?.headers).get("authorization"), "Bearer kennel_secret");
});

test("The list of collections is read page by page, in order", async () => {
  const asked: string[] = [];
  const fetch = async (path: unknown) => {
    asked.push(String(path));
    const isFirst = asked.length === 1;
    return Response.json({ data: [{ name: isFirst ? "a" : "b", documents: 0, chunks: 0 }], next: isFirst ? "a&x" : null });
  };
  const collections = await createApi({ fetch, nowMs: () => 0, key: () => null }).collections(AbortSignal.timeout(1000));
  assert.equal(
    collections.map(({ name }) => name),
    ["a", "b"],
  );
  assert.equal(asked, ["/v1/collections?limit=1000", "/v1/collections?limit=1000&after=a%26x"]);
});

test("A browser that forbids storage forgets instead of failing", () => {
  const memory = createMemory(() => {
    throw new DOMException("denied", "SecurityError");
  });
  memory.write("theme", "dark");
  assert.is(memory.read("theme"), null);
});

test.run();
