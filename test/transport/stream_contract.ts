import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ErrorCode, KennelError, kennelError } from "../../runtime/errors.ts";
import { type MessageHeaders, OPEN_SCOPE, type StreamEndpoint, type StreamTransport } from "../../transport/transport.ts";
import { ContractRecord, casesOn, type Deviation } from "../support/contract_record.ts";
import { headersFor } from "./transport_contract.ts";

export interface StreamRig {
  /** Reads the answers. */
  readonly client: StreamTransport;
  /** Holds the handlers; the same object as `client` where one process is all there is. */
  readonly server: StreamTransport;
  /** Lets this much time pass for both sides. */
  elapse(durationMs: number): Promise<void>;
  /** Begins to close the client's side; open answers have `limitMs`. */
  close(limitMs: number): Promise<void>;
  stop(): Promise<void>;
}

interface Count {
  readonly to: number;
}

const COUNT: StreamEndpoint<Count, { readonly at: number; readonly text: string }> = { name: "count" };
const never = new AbortController().signal;

/** What every transport promises of answers in chunks; a deviation is listed in `skip` with its reason and tested in the adapter's own file. */
export function streamContract(name: string, options: { open(): Promise<StreamRig>; readonly skip?: readonly Deviation[] }): void {
  const test = suite(`stream contract: ${name}`);
  const record = new ContractRecord("stream", name, options.skip ?? []);

  const promise = casesOn(test, record, options.open);

  promise("chunks come whole and in their order, and the end ends them", async ({ client, server }) => {
    const seen: MessageHeaders[] = [];
    serveCount(server, (headers) => seen.push(headers));
    const chunks = await readAll(client.stream(COUNT, { to: 200 }, headersFor(5_000), never));
    assert.equal(
      chunks.map(({ at }) => at),
      Array.from({ length: 200 }, (_, at) => at),
    );
    assert.is(chunks[7]?.text, "Grüße \u{1F600} 7");
    assert.equal([seen[0]?.requestId, seen[0]?.scope], ["r-1", OPEN_SCOPE]);
    assert.ok((seen[0]?.timeoutMs ?? 0) <= 5_000);
    assert.equal(await readAll(client.stream(COUNT, { to: 0 }, headersFor(5_000), never)), [], "an answer may be empty");
  });

  promise("a large chunk arrives whole", async ({ client, server }) => {
    const text = "wörd ".repeat(40_000);
    server.serveStream(COUNT, async function* () {
      yield { at: 0, text };
    });
    const [chunk] = await readAll(client.stream(COUNT, { to: 1 }, headersFor(5_000), never));
    assert.is(chunk?.text.length, text.length);
  });

  promise("the first chunk arrives before the second is made", async ({ client, server }) => {
    const gate = signalled();
    server.serveStream(COUNT, async function* () {
      yield { at: 0, text: "first" };
      await gate.promise;
      yield { at: 1, text: "second" };
    });
    const chunks = client.stream(COUNT, { to: 2 }, headersFor(5_000), never)[Symbol.asyncIterator]();
    assert.is((await chunks.next()).value?.text, "first");
    gate.resolve();
    assert.is((await chunks.next()).value?.text, "second");
    assert.is((await chunks.next()).done, true);
  });

  promise("several answers at once do not mix", async ({ client, server }) => {
    serveCount(server);
    const lengths = [3, 50, 1, 17];
    const answers = await Promise.all(lengths.map((to) => readAll(client.stream(COUNT, { to }, headersFor(5_000), never))));
    assert.equal(
      answers.map((chunks) => chunks.map(({ at }) => at)),
      lengths.map((to) => Array.from({ length: to }, (_, at) => at)),
    );
  });

  promise("an endpoint that nobody serves is unavailable", async ({ client }) => {
    await fails(client.stream(COUNT, { to: 1 }, headersFor(1_000), never), "unavailable");
  });

  promise("a handler's error comes in its place, with its code, sentence, field and time to retry", async ({ client, server }) => {
    server.serveStream(COUNT, async function* ({ to }) {
      for (let at = 0; at < to; at++) yield { at, text: "" };
      throw kennelError("overloaded", { message: "Collection is busy now", param: "query", retryAfterMs: 250 });
    });
    for (const to of [0, 3]) {
      const { error, read } = await fails(client.stream(COUNT, { to }, headersFor(5_000), never), "overloaded");
      assert.equal([error.message, error.param, error.retryAfterMs, read], ["Collection is busy now", "query", 250, to]);
    }
  });

  promise("a handler that throws something else fails as internal, without its words", async ({ client, server }) => {
    server.serveStream(COUNT, () => {
      throw new Error("password=hunter2");
    });
    const { error } = await fails(client.stream(COUNT, { to: 1 }, headersFor(1_000), never), "internal");
    assert.not.match(error.message, /hunter2/);
  });

  promise("who leaves early aborts the handler's signal", async ({ client, server }) => {
    const { aborted } = serveHanging(server);
    for await (const chunk of client.stream(COUNT, { to: 1 }, headersFor(60_000), never)) if (chunk.at === 0) break;
    await aborted;
  });

  promise("a caller that cancels is told so at once, and the handler's signal aborts", async ({ client, server }) => {
    const { aborted } = serveHanging(server);
    const caller = new AbortController();
    const chunks = client.stream(COUNT, { to: 1 }, headersFor(60_000), caller.signal)[Symbol.asyncIterator]();
    await chunks.next();
    const rest = outcomeOf(chunks.next());
    caller.abort();
    assert.is((await rest).code, "cancelled");
    await aborted;
  });

  promise(
    "the deadline ends an answer though its handler never does, and the handler's signal aborts",
    async ({ client, server, elapse }) => {
      const { aborted } = serveHanging(server);
      const chunks = client.stream(COUNT, { to: 1 }, headersFor(200), never)[Symbol.asyncIterator]();
      await chunks.next();
      const rest = outcomeOf(chunks.next());
      await elapse(250);
      assert.is((await rest).code, "deadline_exceeded");
      await aborted;
    },
  );

  promise("a request that has no time left, or whose caller has gone, never reaches its handler", async ({ client, server }) => {
    let calls = 0;
    serveCount(server, () => calls++);
    await fails(client.stream(COUNT, { to: 1 }, headersFor(0), never), "deadline_exceeded");
    await fails(client.stream(COUNT, { to: 1 }, headersFor(1_000), AbortSignal.abort()), "cancelled");
    assert.is(calls, 0);
  });

  promise("two handlers for one endpoint are a mistake of the program", async ({ server }) => {
    serveCount(server);
    assert.throws(
      () => serveCount(server),
      (error: unknown) => error instanceof TypeError,
    );
  });

  promise("closing refuses new answers as draining, and ends an open one that outlives the limit", async (rig) => {
    const { aborted } = serveHanging(rig.server);
    const chunks = rig.client.stream(COUNT, { to: 1 }, headersFor(60_000), never)[Symbol.asyncIterator]();
    await chunks.next();
    const rest = outcomeOf(chunks.next());
    const closed = rig.close(100);
    await fails(rig.client.stream(COUNT, { to: 1 }, headersFor(1_000), never), "draining");
    await rig.elapse(110);
    await closed;
    assert.is((await rest).code, "draining");
    await aborted;
  });

  test.after(() => record.write());
  test.run();
}

function serveCount(server: StreamTransport, onCalled: (headers: MessageHeaders) => unknown = () => {}): void {
  server.serveStream(COUNT, async function* ({ to }, headers) {
    onCalled(headers);
    for (let at = 0; at < to; at++) yield { at, text: `Grüße \u{1F600} ${at}` };
  });
}

/** One chunk, and then nothing more. */
function serveHanging(server: StreamTransport): { readonly aborted: Promise<void> } {
  const gone = signalled();
  server.serveStream(COUNT, async function* (_request, _headers, signal) {
    signal.addEventListener("abort", gone.resolve, { once: true });
    yield { at: 0, text: "" };
    await new Promise(() => {});
  });
  return { aborted: gone.promise };
}

function signalled(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function readAll<Chunk>(chunks: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const read: Chunk[] = [];
  for await (const chunk of chunks) read.push(chunk);
  return read;
}

async function fails(chunks: AsyncIterable<unknown>, code: ErrorCode): Promise<{ readonly error: KennelError; readonly read: number }> {
  let read = 0;
  const reading = async () => {
    for await (const _chunk of chunks) read++;
  };
  const error = await outcomeOf(reading());
  assert.is(error.code, code);
  return { error, read };
}

async function outcomeOf(work: Promise<unknown>): Promise<KennelError> {
  const thrown = await work.then(
    (value) => assert.unreachable(`It should have failed, and gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (!(thrown instanceof KennelError)) throw thrown;
  return thrown;
}
