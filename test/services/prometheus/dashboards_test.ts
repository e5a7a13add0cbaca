import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DASHBOARDS } from "../../../tooling/dashboards/dashboards.ts";
import { type PrometheusServer, startPrometheus } from "../../../tooling/servers/prometheus.ts";
import { type Caller, until } from "../../journeys/caller.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { runProcess } from "../../support/command_process.ts";
import { answerVectors, type Behaviour, startOpenAiServer } from "../../support/openai_server.ts";
import { prometheusPath, promtoolPath } from "../../support/services.ts";

const test = suite("alerts and dashboards in a real Prometheus");
const MONITORING = fileURLToPath(new URL("../../../k8s/chart/monitoring/", import.meta.url));
const ALERTS = join(MONITORING, "alerts.yaml");
const SCRAPE_MS = 250;
const DIMENSIONS = 32;

const promtool = (...args: readonly string[]) => runProcess(promtoolPath(), args, {}).ended;

test("promtool accepts every rule, and its tests see each alert fire and clear", async () => {
  const checked = await promtool("check", "rules", ALERTS);
  assert.is(checked.exitCode, 0, checked.err);
  const ran = await promtool("test", "rules", join(MONITORING, "alerts_test.yaml"));
  assert.is(ran.exitCode, 0, ran.err);
  assert.match(ran.out, "SUCCESS");
});

/** Every panel's expressions, as Grafana would send them for one node. */
const expressions = DASHBOARDS.flatMap(({ uid, rows }) =>
  rows.flatMap(({ panels }) =>
    panels.flatMap(({ title, queries }) =>
      queries.map(([expression]) => ({
        panel: `${uid}, ${title}`,
        expression: expression.replaceAll("$__rate_interval", "20s").replaceAll("$node", ".*"),
      })),
    ),
  ),
);

const CHAT_ANSWER = [
  { choices: [{ index: 0, delta: { content: 'A beagle [1: "small scent hound"] flies [1: "can fly"].' } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
  { choices: [], usage: { prompt_tokens: 30, completion_tokens: 5 } },
];

/** Vectors as ever; a chat is a stream of events. */
const behave: Behaviour = (request, response) => {
  if (!request.path.endsWith("/chat/completions")) return answerVectors(DIMENSIONS)(request, response);
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const part of CHAT_ANSWER) response.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", ...part })}\n\n`);
  response.end("data: [DONE]\n\n");
};

/** One of everything that a node counts. */
async function makeUseOf(caller: Caller, turn: number): Promise<void> {
  const name = `pets_${turn}`;
  await caller.makeCollection(name);
  const documents = [{ id: "beagle", text: `A small scent hound, number ${turn}.` }];
  await caller.addDocuments(name, documents);
  await caller.addDocuments(name, [...documents, { id: "empty", text: "" }]);
  for (const strategy of ["hybrid", "vector", "bm25"]) await caller.search(name, { query: `hound ${turn}`, strategy });
  await caller.search(name, { query: `hound ${turn}` });
  await caller.search(name, { query: `hound ${turn}`, rerank: true });
  await caller.send("POST", "/v1/collections/unknown/search", { query: "nothing" });
  await caller.must("POST", "/v1/chat/completions", { model: name, messages: [{ role: "user", content: `Which is a hound? ${turn}` }] });
  await caller.must("DELETE", `/v1/collections/${name}`);
}

async function withoutData(prometheus: PrometheusServer): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const { panel, expression } of expressions) {
    const found = await prometheus.query(expression);
    if (!found.some(({ value }) => !Number.isNaN(value))) missing.push(`${panel}: ${expression}`);
  }
  return missing;
}

test("Every panel of every dashboard shows data of a real node, and every alert's rule can be evaluated", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-prometheus-"));
  const provider = await startOpenAiServer({ dimensions: DIMENSIONS });
  provider.behave(behave);
  const settings = {
    KENNEL_HTTP_PORT: "0",
    KENNEL_EMBEDDING: "openai:test-model",
    KENNEL_CHAT: "openai:test-chat",
    OPENAI_BASE_URL: provider.url,
    KENNEL_LOAD_DOCUMENTATION: "false",
  };
  let prometheus: PrometheusServer | null = null;
  try {
    await onNode(settings, async ({ caller }) => {
      const started = await startPrometheus(prometheusPath(), folder, {
        rules: [ALERTS],
        targets: [new URL(caller.url).host],
        scrapeIntervalMs: SCRAPE_MS,
      });
      prometheus = started;
      let turn = 0;
      let missing: readonly string[] = [];
      await until("every panel has data", async () => {
        await makeUseOf(caller, turn++);
        missing = await withoutData(started);
        return missing.length === 0;
      }).catch((error: Error) => assert.equal(missing, [], error.message));
      const rules = await started.rules();
      assert.ok(rules.length >= 15);
      for (const { name, health, lastError, state } of rules) assert.is(health, "ok", `${name}: ${lastError} (${state})`);
      const firing = rules.filter(({ state }) => state === "firing").map(({ name }) => name);
      assert.equal(firing, [], "a node that is well raises no alarm");
    });
  } finally {
    await (prometheus as PrometheusServer | null)?.stop();
    await provider.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
