import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OpenAiEmbeddings } from "../../../actors/embedding/openai.ts";
import { Provider, type ProviderOptions } from "../../../actors/model_provider/provider.ts";
import { systemClock } from "../../../runtime/clock.ts";
import type { KennelError } from "../../../runtime/errors.ts";
import { seededRandom } from "../../../runtime/random.ts";
import {
  answerStatus,
  answerText,
  answerTruncated,
  answerVectors,
  type Behaviour,
  hang,
  hangInBody,
  type OpenAiServer,
  startOpenAiServer,
  vectorOf,
} from "../../support/openai_server.ts";

const test = suite("embeddings of a provider");
const DIMENSIONS = 40;
const never = new AbortController().signal;

interface Rig {
  readonly servers: readonly OpenAiServer[];
  readonly server: OpenAiServer;
  readonly provider: Provider;
  readonly model: OpenAiEmbeddings;
  readonly tokens: number[];
}

interface RigOptions extends Partial<ProviderOptions> {
  readonly weights?: readonly number[];
  readonly maxTokens?: number;
  readonly maxInputs?: number;
}

async function onProvider(options: RigOptions, work: (rig: Rig) => Promise<void>): Promise<void> {
  const weights = options.weights ?? [1];
  const servers = await Promise.all(weights.map(() => startOpenAiServer({ dimensions: DIMENSIONS })));
  const isAzure = options.kind === "azure";
  const provider = await Provider.open({
    kind: "openai",
    model: "openai:test",
    addresses: servers.map(({ url }, at) => ({
      url: isAzure ? url.replace("/v1", "") : url,
      apiKey: `key-${at}`,
      deployment: isAzure ? `embed-${at}` : "test",
      weight: weights[at] as number,
    })),
    azureApiVersion: "2024-10-21",
    pool: { minConnections: 1, maxConnections: 4, growAfterMs: 5, maxWaiting: 100, idleMs: 10_000, connectTimeoutMs: 1_000 },
    attemptTimeoutMs: 2_000,
    maxRetries: 2,
    retryDelayMs: 5,
    maxRetryDelayMs: 100,
    onAttempt: () => undefined,
    clock: systemClock(),
    random: seededRandom(1),
    ...options,
  });
  const tokens: number[] = [];
  const model = new OpenAiEmbeddings({
    name: "openai:test",
    provider,
    maxInputs: options.maxInputs ?? 8,
    maxTokens: options.maxTokens ?? 1_000,
    requestedDimensions: null,
    dimensions: () => DIMENSIONS,
    onTokens: (count) => tokens.push(count),
  });
  try {
    await work({ servers, server: servers[0] as OpenAiServer, provider, model, tokens });
  } finally {
    await provider.close();
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** Unit length, as the port promises. */
function expected(text: string): Float32Array {
  const vector = vectorOf(text, DIMENSIONS);
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}

function assertNear(actual: Float32Array | null | undefined, text: string): void {
  const wanted = expected(text);
  assert.is(actual?.length, wanted.length);
  for (const [at, value] of wanted.entries()) assert.ok(Math.abs(value - (actual?.[at] ?? Number.NaN)) < 1e-6);
}

async function failureOf(work: Promise<unknown>): Promise<KennelError> {
  try {
    await work;
  } catch (error) {
    return error as KennelError;
  }
  throw new Error("It was expected to fail");
}

for (const encoding of ["base64", "numbers"] as const) {
  test(`A provider that answers with ${encoding} gives unit vectors in the order of the texts, and none for an empty text`, () =>
    onProvider({}, async ({ server, model, tokens }) => {
      server.behave(answerVectors(DIMENSIONS, encoding));
      const vectors = await model.embed(["one", "  ", "two words"], "document", never);
      assertNear(vectors[0], "one");
      assert.is(vectors[1], null);
      assertNear(vectors[2], "two words");
      assert.is(server.requests.length, 1);
      assert.equal(server.requests[0]?.body.input, ["one", "two words"]);
      assert.is(server.requests[0]?.headers.authorization, "Bearer key-0");
      assert.equal(tokens, [3]);
    }));
}

test("Azure is asked under the deployment's path with its key and version", () =>
  onProvider({ kind: "azure" }, async ({ server, model }) => {
    await model.embed(["one"], "query", never);
    assert.is(server.requests[0]?.path, "/openai/deployments/embed-0/embeddings?api-version=2024-10-21");
    assert.is(server.requests[0]?.headers["api-key"], "key-0");
  }));

test("Requests stay within the provider's limits of texts and of tokens", () =>
  onProvider({ maxInputs: 4, maxTokens: 100 }, async ({ server, model }) => {
    const long = "word ".repeat(40);
    const vectors = await model.embed(["1", "2", "3", "4", "5", long, long], "document", never);
    assert.equal(server.requests.map(({ body }) => body.input?.length).sort(), [1, 2, 4]);
    for (const [at, text] of ["1", "2", "3", "4", "5", long, long].entries()) assertNear(vectors[at], text);
  }));

test("More calls than connections wait for one, and the connections are kept", () =>
  onProvider({}, async ({ server, model, provider }) => {
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 32 }, (_, at) => model.embed([`text ${at}`], "query", never)));
    }
    assert.is(server.requests.length, 96);
    // Deno takes a connection back a moment after the answer has ended; without a bound there would be 32.
    assert.ok(server.maxSockets <= 8, `${server.maxSockets} sockets`);
    const { idle, ...pool } = provider.pool;
    assert.equal(pool, { size: idle, inUse: 0, waiting: 0, limit: pool.limit, max: 4 });
    assert.ok(idle <= pool.limit && pool.limit <= 4);
  }));

test("Calls that wait for a slow provider get more connections, and its word that it is busy takes them back", () =>
  onProvider({ maxRetries: 0 }, async ({ server, model, provider }) => {
    assert.is(provider.pool.limit, 1);
    server.behave(hang);
    const leave = new AbortController();
    const calls = Array.from({ length: 8 }, (_, at) => model.embed([`text ${at}`], "query", leave.signal).catch(() => null));
    for (const limit = AbortSignal.timeout(10_000); provider.pool.inUse < 4 && !limit.aborted; )
      await new Promise((resolve) => setTimeout(resolve, 1));
    const { inUse, waiting, limit } = provider.pool;
    assert.equal({ inUse, waiting, limit }, { inUse: 4, waiting: 4, limit: 4 });
    leave.abort();
    await Promise.all(calls);
    server.behave(answerStatus(429));
    await model.embed(["one"], "query", never).catch(() => null);
    assert.is(provider.pool.limit, 2);
  }));

test("A busy provider is asked again after the time it asks for", () =>
  onProvider({}, async ({ server, model }) => {
    server.behaveOnce(answerStatus(429, { "retry-after-ms": "30" }));
    assertNear((await model.embed(["one"], "query", never))[0], "one");
    assert.is(server.requests.length, 2);
  }));

test("A provider that asks for a longer pause than allowed fails the call at once, with the time to come back", () =>
  onProvider({}, async ({ server, model }) => {
    server.behave(answerStatus(429, { "retry-after": "120" }));
    const error = await failureOf(model.embed(["one"], "query", never));
    assert.is(error.code, "overloaded");
    assert.is(error.retryAfterMs, 120_000);
    assert.is(server.requests.length, 1);
  }));

const OUTAGES: readonly (readonly [string, Behaviour, number])[] = [
  ["fails with 500", answerStatus(500), 3],
  ["sends no JSON", answerText("<html>busy</html>"), 3],
  ["breaks off its answer", answerTruncated, 3],
  ["sends no vectors", answerText('{"object":"list"}'), 3],
  ["sends null", answerText("null"), 3],
  ["sends too few vectors", answerText('{"data":[]}'), 3],
  ["sends a vector that is none", answerText('{"data":[{"index":0,"embedding":"AAA"}]}'), 3],
  ["sends a vector of nothing but zeros", answerText(`{"data":[{"index":0,"embedding":[${Array(DIMENSIONS).fill(0)}]}]}`), 3],
  ["sends vectors of another length", answerVectors(DIMENSIONS + 1), 3],
  ["resets the connection", (_request, response) => void response.socket?.destroy(), 3],
  ["does not take the key", answerStatus(401), 1],
  ["does not know the model", answerStatus(404), 1],
  ["says that the quota is used up", answerStatus(429, {}, "insufficient_quota"), 1],
];
for (const [what, behaviour, attempts] of OUTAGES) {
  test(`A provider that ${what} is unavailable after ${attempts} attempts, and its words about keys stay here`, () =>
    onProvider({}, async ({ server, model }) => {
      server.behave(behaviour);
      const error = await failureOf(model.embed(["one"], "query", never));
      assert.is(error.code, "unavailable");
      assert.not.match(error.message, /sk-secret|key-0|127\.0\.0\.1/);
      if (what !== "resets the connection") assert.is(server.requests.length, attempts);
      server.behave(null);
      assertNear((await model.embed(["one"], "query", never))[0], "one");
    }));
}

test("A request that the provider refuses is the caller's fault and is not repeated", () =>
  onProvider({ weights: [1, 1] }, async ({ servers, model, provider }) => {
    for (const server of servers) server.behave(answerStatus(400));
    const error = await failureOf(model.embed(["one"], "query", never));
    assert.is(error.code, "invalid_request");
    assert.not.match(error.message, /sk-secret/);
    assert.is((servers[0]?.requests.length ?? 0) + (servers[1]?.requests.length ?? 0), 1);
    assert.is(provider.deployments.healthy, 2);
  }));

for (const [what, behaviour] of [
  ["the head", hang],
  ["the body", hangInBody],
] as const) {
  test(`A provider that hangs before the end of ${what} is given up after an attempt's time, and its connection is closed`, () =>
    onProvider({ attemptTimeoutMs: 60, maxRetries: 0 }, async ({ server, model, provider }) => {
      server.behave(behaviour);
      const error = await failureOf(model.embed(["one"], "query", never));
      assert.is(error.code, "unavailable");
      assert.match(error.message, "did not answer within 60 ms");
      assert.is(await server.requests[0]?.brokenOff, true);
      assert.is(provider.pool.inUse, 0);
    }));

  test(`Cancelling reaches the socket of a provider that hangs before the end of ${what}`, () =>
    onProvider({}, async ({ server, model, provider }) => {
      server.behave(behaviour);
      const caller = new AbortController();
      const failure = failureOf(model.embed(["one"], "query", caller.signal));
      while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      caller.abort();
      assert.is((await failure).code, "cancelled");
      assert.is(await server.requests[0]?.brokenOff, true);
      assert.is(provider.pool.inUse, 0);
      server.behave(null);
      assertNear((await model.embed(["one"], "query", never))[0], "one");
    }));
}

test("Cancelling ends the pause before a retry", () =>
  onProvider({ maxRetryDelayMs: 60_000 }, async ({ server, model }) => {
    server.behave(answerStatus(429, { "retry-after": "50" }));
    const caller = new AbortController();
    const failure = failureOf(model.embed(["one"], "query", caller.signal));
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    caller.abort();
    assert.is((await failure).code, "cancelled");
    assert.is(server.requests.length, 1);
  }));

test("Deployments get calls by their weights, and a failing one's calls go to the other", () =>
  onProvider({ weights: [3, 1], maxRetries: 0 }, async ({ servers, model, provider }) => {
    const [first, second] = servers as [OpenAiServer, OpenAiServer];
    for (let at = 0; at < 8; at++) await model.embed([`text ${at}`], "query", never);
    assert.equal([first.requests.length, second.requests.length], [6, 2]);
    first.behave(answerStatus(503));
    for (let at = 0; at < 8; at++) await model.embed([`other ${at}`], "query", never);
    assert.is(first.requests.length, 7);
    assert.is(second.requests.length, 10);
    assert.equal(provider.deployments, { total: 2, healthy: 1 });
  }));

test.run();
