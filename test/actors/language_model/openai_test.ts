import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ChatPart, ChatUsage } from "../../../actors/language_model/language_model.ts";
import { OpenAiChat } from "../../../actors/language_model/openai.ts";
import { Provider, type ProviderOptions } from "../../../actors/model_provider/provider.ts";
import { systemClock } from "../../../runtime/clock.ts";
import type { KennelError } from "../../../runtime/errors.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { answerStatus, answerText, type Behaviour, type OpenAiServer, startOpenAiServer } from "../../support/openai_server.ts";

const test = suite("chat of a provider");
const never = new AbortController().signal;
const QUESTION = { messages: [{ role: "user", content: "Hello?" }], maxTokens: 16, temperature: 0 } as const;

const event = (fields: object) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", ...fields })}\n\n`;
const text = (content: string) => event({ choices: [{ index: 0, delta: { content } }] });
const end = (reason = "stop") =>
  `${event({ choices: [{ index: 0, delta: {}, finish_reason: reason }] })}${event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } })}data: [DONE]\n\n`;

/** Sends the parts, then ends the answer, or leaves it open, or cuts the connection. */
const streams =
  (parts: readonly string[], then: "end" | "hang" | "cut" = "end"): Behaviour =>
  (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const part of parts) response.write(part);
    if (then === "end") response.end();
    if (then === "cut") setTimeout(() => response.socket?.destroy(), 20);
  };

async function onChat(
  options: Partial<ProviderOptions>,
  work: (server: OpenAiServer, model: OpenAiChat, provider: Provider, usages: ChatUsage[]) => Promise<void>,
) {
  const usages: ChatUsage[] = [];
  const server = await startOpenAiServer({ dimensions: 4 });
  const provider = await Provider.open({
    kind: "openai",
    model: "openai:chat",
    addresses: [{ url: server.url, apiKey: "key", deployment: "chat", weight: 1 }],
    azureApiVersion: "2024-10-21",
    pool: { minConnections: 1, maxConnections: 2, growAfterMs: 5, maxWaiting: 10, idleMs: 10_000, connectTimeoutMs: 1_000 },
    attemptTimeoutMs: 2_000,
    maxRetries: 1,
    retryDelayMs: 5,
    maxRetryDelayMs: 50,
    onAttempt: () => undefined,
    clock: systemClock(),
    random: seededRandom(1),
    ...options,
  });
  try {
    await work(server, new OpenAiChat("openai:chat", provider, (usage) => usages.push(usage)), provider, usages);
    assert.is(provider.pool.inUse, 0);
  } finally {
    await provider.close();
    await server.stop();
  }
}

async function read(
  parts: AsyncIterable<ChatPart>,
): Promise<{ readonly text: string; readonly last: ChatPart | null; readonly error: KennelError | null }> {
  let written = "";
  let last: ChatPart | null = null;
  try {
    for await (const part of parts) {
      if (part.kind === "text") written += part.text;
      last = part;
    }
    return { text: written, last, error: null };
  } catch (error) {
    return { text: written, last, error: error as KennelError };
  }
}

test("An answer comes part by part, then its end with what it took", () =>
  onChat({}, async (server, model, _provider, usages) => {
    server.behave(streams([text("Good "), text("day"), end("length")]));
    const answer = await read(model.chat(QUESTION, never));
    assert.is(answer.text, "Good day");
    assert.equal(answer.last, { kind: "end", reason: "length", usage: { promptTokens: 3, answerTokens: 2 } });
    assert.is(server.requests[0]?.path, "/v1/chat/completions");
    assert.is(server.requests[0]?.body.stream, true);
    assert.equal(usages, [{ promptTokens: 3, answerTokens: 2 }]);
  }));

test("What fails before the first part is tried again, what fails after it is told", () =>
  onChat({}, async (server, model) => {
    server.behaveOnce(answerStatus(500));
    server.behave(streams([text("Good"), end()]));
    assert.is((await read(model.chat(QUESTION, never))).text, "Good");
    assert.is(server.requests.length, 2);
    for (const [at, broken] of [
      streams([text("Good")], "cut"),
      streams([text("Good")]),
      streams([text("Good"), "data: {not json\n\n"]),
      streams([text("Good"), 'data: {"error":{"message":"overloaded sk-secret-123456"}}\n\n']),
    ].entries()) {
      server.behave(broken);
      const before = server.requests.length;
      const answer = await read(model.chat(QUESTION, never));
      assert.is(answer.text, "Good");
      assert.is(answer.error?.code, "unavailable", `case ${at}`);
      assert.not.match(answer.error?.message ?? "", "sk-secret");
      assert.is(server.requests.length, before + 1);
    }
    server.behave(answerText("<html>"));
    assert.is((await read(model.chat(QUESTION, never))).error?.code, "unavailable");
    server.behave(answerStatus(400));
    assert.is((await read(model.chat(QUESTION, never))).error?.code, "invalid_request");
  }));

test("A stream that hangs is given up when a part takes too long, however long the reader took before", () =>
  onChat({ attemptTimeoutMs: 80 }, async (server, model) => {
    server.behave(streams([text("Good "), text("day")], "hang"));
    const parts = model.chat(QUESTION, never)[Symbol.asyncIterator]();
    assert.equal((await parts.next()).value, { kind: "text", text: "Good " });
    await systemClock().sleep(200, never);
    assert.equal((await parts.next()).value, { kind: "text", text: "day" });
    const error = await parts.next().catch((thrown: KennelError) => thrown);
    assert.match((error as KennelError).message, "did not answer within 80 ms");
    assert.is(await server.requests[0]?.brokenOff, true);
  }));

test("Cancelling, and leaving the loop, close the provider's connection", () =>
  onChat({}, async (server, model, provider) => {
    server.behave(streams([text("Good")], "hang"));
    const caller = new AbortController();
    const parts = model.chat(QUESTION, caller.signal)[Symbol.asyncIterator]();
    await parts.next();
    caller.abort();
    assert.is(await parts.next().catch((error: KennelError) => error.code), "cancelled");
    assert.is(await server.requests[0]?.brokenOff, true);
    for await (const part of model.chat(QUESTION, never)) {
      assert.is(part.kind, "text");
      assert.is(provider.pool.inUse, 1);
      break;
    }
    assert.is(await server.requests[1]?.brokenOff, true);
  }));

test.run();
