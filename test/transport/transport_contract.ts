import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ErrorCode, KennelError, kennelError } from "../../runtime/errors.ts";
import {
  type Endpoint,
  type MessageHeaders,
  OPEN_SCOPE,
  type StreamEndpoint,
  type StreamTransport,
  type Transport,
} from "../../transport/transport.ts";
import { ContractRecord, casesOn, type Deviation } from "../support/contract_record.ts";

export interface TransportRig {
  /** Sends the requests. */
  readonly client: Transport & StreamTransport;
  /** Holds the handlers; the same object as `client` where one process is all there is. */
  readonly server: Transport & StreamTransport;
  /** Lets this much time pass for both sides. */
  elapse(durationMs: number): Promise<void>;
  stop(): Promise<void>;
}

const ECHO: Endpoint<{ readonly text: string }, { readonly text: string }> = { name: "echo" };
const HANG: Endpoint<Record<string, never>, never> = { name: "hang" };
const COUNT: StreamEndpoint<{ readonly to: number }, number> = { name: "count" };

export const headersFor = (timeoutMs: number): MessageHeaders => ({ requestId: "r-1", timeoutMs, traceparent: null, scope: OPEN_SCOPE });
const never = new AbortController().signal;

export interface ContractOptions {
  open(): Promise<TransportRig>;
  /** After the last case. */
  end?(): Promise<void>;
  readonly skip?: readonly Deviation[];
}

/** What every transport promises; a deviation is listed in `skip` with its reason and tested in the adapter's own file. */
export function transportContract(name: string, options: ContractOptions): void {
  const test = suite(`transport contract: ${name}`);
  const record = new ContractRecord("transport", name, options.skip ?? []);

  const promise = casesOn(test, record, options.open);

  promise("a request is answered by the endpoint's handler, which sees body and headers", async ({ client, server }) => {
    const seen: MessageHeaders[] = [];
    server.serve(ECHO, async ({ text }, headers) => {
      seen.push(headers);
      return { text: text.toUpperCase() };
    });
    assert.equal(await client.request(ECHO, { text: "a" }, headersFor(1_000), never), { text: "A" });
    assert.is(seen[0]?.requestId, "r-1");
    assert.equal(seen[0]?.scope, OPEN_SCOPE);
    assert.ok((seen[0]?.timeoutMs ?? 0) <= 1_000);
  });

  promise("a request that nobody serves is refused as unavailable", async ({ client }) => {
    await rejects(client.request(ECHO, { text: "a" }, headersFor(1_000), never), "unavailable");
  });

  promise("a handler's error arrives with its code, sentence, field and time to retry", async ({ client, server }) => {
    server.serve(ECHO, async () => {
      throw kennelError("overloaded", { message: "Collection is busy now", param: "query", retryAfterMs: 250 });
    });
    const error = await rejects(client.request(ECHO, { text: "a" }, headersFor(1_000), never), "overloaded");
    assert.equal([error.message, error.param, error.retryAfterMs], ["Collection is busy now", "query", 250]);
  });

  promise("a handler that throws something else fails its request as internal, without its words", async ({ client, server }) => {
    server.serve(ECHO, () => {
      throw new Error("password=hunter2");
    });
    const error = await rejects(client.request(ECHO, { text: "a" }, headersFor(1_000), never), "internal");
    assert.not.match(error.message, /hunter2/);
  });

  promise("a request is settled at its deadline though its handler never ends, and the handler's signal aborts", async (rig) => {
    const hanging = serveHanging(rig.server);
    const outcome = rejects(rig.client.request(HANG, {}, headersFor(50), never), "deadline_exceeded");
    await hanging.called;
    await rig.elapse(60);
    await outcome;
    await hanging.aborted;
  });

  promise("a request whose time has run out before it is sent never reaches its handler", async ({ client, server }) => {
    let calls = 0;
    server.serve(ECHO, async (body) => {
      calls++;
      return body;
    });
    await rejects(client.request(ECHO, { text: "a" }, headersFor(0), never), "deadline_exceeded");
    assert.is(calls, 0);
  });

  promise("a caller that cancels is told so at once, and the handler's signal aborts", async ({ client, server }) => {
    const hanging = serveHanging(server);
    const caller = new AbortController();
    const outcome = rejects(client.request(HANG, {}, headersFor(10_000), caller.signal), "cancelled");
    await hanging.called;
    caller.abort();
    await outcome;
    await hanging.aborted;
  });

  promise("a request whose caller has cancelled before it is sent never reaches its handler", async ({ client, server }) => {
    let calls = 0;
    server.serve(ECHO, async (body) => {
      calls++;
      return body;
    });
    await rejects(client.request(ECHO, { text: "a" }, headersFor(1_000), AbortSignal.abort()), "cancelled");
    assert.is(calls, 0);
  });

  promise("an endpoint whose handler keeps nothing ready has nothing ready", async ({ client, server }) => {
    server.serve(ECHO, async (body) => body);
    assert.is(client.ready(ECHO, { text: "a" }, headersFor(1_000)), null);
  });

  promise("plain data and bytes arrive as they were given away", async ({ client, server }) => {
    const endpoint: Endpoint<object, object> = { name: "mirror" };
    server.serve(endpoint, async (body) => body);
    const body = {
      text: "Zürich \u{1f98a}",
      numbers: [0, -1.5, 9_007_199_254_740_991],
      nothing: null,
      isKept: true,
      vector: new Float32Array([0.25, -1]),
      bytes: new Uint8Array([0, 255, 10]),
      deep: { list: [{ of: "objects" }] },
    };
    assert.equal(await client.request(endpoint, body, headersFor(1_000), never), body);
  });

  promise("a stream's chunks arrive in order, and it ends", async ({ client, server }) => {
    server.serveStream(COUNT, countUp);
    assert.equal(await chunksOf(client.stream(COUNT, { to: 200 }, headersFor(5_000), never)), [...Array(200).keys()]);
  });

  promise("a stream without chunks ends", async ({ client, server }) => {
    server.serveStream(COUNT, countUp);
    assert.equal(await chunksOf(client.stream(COUNT, { to: 0 }, headersFor(5_000), never)), []);
  });

  promise("what fails between two chunks is thrown after the first, with its code", async ({ client, server }) => {
    server.serveStream(COUNT, async function* () {
      yield 1;
      throw kennelError("unavailable", { message: "The model has gone", retryAfterMs: 40 });
    });
    const chunks = client.stream(COUNT, { to: 2 }, headersFor(5_000), never)[Symbol.asyncIterator]();
    assert.is((await chunks.next()).value, 1);
    const error = await rejects(chunks.next(), "unavailable");
    assert.equal([error.message, error.retryAfterMs], ["The model has gone", 40]);
  });

  promise("a stream that nobody serves is refused as unavailable", async ({ client }) => {
    await rejects(chunksOf(client.stream(COUNT, { to: 1 }, headersFor(1_000), never)), "unavailable");
  });

  promise("who leaves a stream early aborts its handler's signal", async ({ client, server }) => {
    const hanging = serveHangingStream(server);
    for await (const chunk of client.stream(COUNT, { to: 2 }, headersFor(10_000), never)) {
      assert.is(chunk, 1);
      break;
    }
    await hanging.aborted;
  });

  promise("a stream is ended at its deadline though its handler never ends, and the handler's signal aborts", async (rig) => {
    const hanging = serveHangingStream(rig.server);
    const chunks = rig.client.stream(COUNT, { to: 2 }, headersFor(300), never)[Symbol.asyncIterator]();
    assert.is((await chunks.next()).value, 1);
    const outcome = rejects(chunks.next(), "deadline_exceeded");
    await rig.elapse(310);
    await outcome;
    await hanging.aborted;
  });

  promise("a caller that cancels a stream is told so at once, and the handler's signal aborts", async ({ client, server }) => {
    const hanging = serveHangingStream(server);
    const caller = new AbortController();
    const chunks = client.stream(COUNT, { to: 2 }, headersFor(10_000), caller.signal)[Symbol.asyncIterator]();
    assert.is((await chunks.next()).value, 1);
    const outcome = rejects(chunks.next(), "cancelled");
    caller.abort();
    await outcome;
    await hanging.aborted;
  });

  promise("an endpoint takes one handler, a second is a mistake of the program", async ({ server }) => {
    server.serve(ECHO, async (body) => body);
    assert.throws(
      () => server.serve(ECHO, async (body) => body),
      (error: unknown) => error instanceof TypeError,
    );
  });

  promise("closing lets open requests finish and refuses new ones as draining", async ({ client, server }) => {
    let finish = (_answer: { readonly text: string }): void => {};
    let onCalled = (): void => {};
    const called = new Promise<void>((resolve) => {
      onCalled = resolve;
    });
    server.serve(
      ECHO,
      () =>
        new Promise((resolve) => {
          finish = resolve;
          onCalled();
        }),
    );
    const open = client.request(ECHO, { text: "a" }, headersFor(10_000), never);
    await called;
    const closed = client.close(5_000);
    assert.is(client.isConnected, false);
    await rejects(client.request(ECHO, { text: "b" }, headersFor(1_000), never), "draining");
    finish({ text: "late but whole" });
    assert.equal(await open, { text: "late but whole" });
    await closed;
  });

  promise("closing gives up on a request that outlives the limit, and settles it", async (rig) => {
    const hanging = serveHanging(rig.server);
    const outcome = rejects(rig.client.request(HANG, {}, headersFor(60_000), never), "draining");
    await hanging.called;
    const closed = rig.client.close(100);
    assert.is(rig.client.close(100), closed);
    await rig.elapse(110);
    await closed;
    await outcome;
    await hanging.aborted;
  });

  test.after(async () => {
    await options.end?.();
    record.write();
  });
  test.run();
}

/** Rejecting is what is asked for; the rejection is returned for a closer look. */
export async function rejects(answer: Promise<unknown>, code: ErrorCode): Promise<KennelError> {
  const thrown = await answer.then(
    (value) => assert.unreachable(`Expected ${code}, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (!(thrown instanceof KennelError)) throw thrown;
  assert.is(thrown.code, code);
  return thrown;
}

function serveHanging(server: Transport): { readonly called: Promise<void>; readonly aborted: Promise<void> } {
  let onAborted = (): void => {};
  let onCalled = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    onAborted = resolve;
  });
  const called = new Promise<void>((resolve) => {
    onCalled = resolve;
  });
  server.serve(HANG, (_body, _headers, signal) => {
    signal.addEventListener("abort", () => onAborted(), { once: true });
    onCalled();
    return new Promise<never>(() => {});
  });
  return { called, aborted };
}

async function* countUp({ to }: { readonly to: number }): AsyncGenerator<number> {
  for (let place = 0; place < to; place++) yield place;
}

async function chunksOf<Chunk>(stream: AsyncIterable<Chunk>): Promise<readonly Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** One chunk, then nothing for ever. */
function serveHangingStream(server: StreamTransport): { readonly aborted: Promise<void> } {
  let onAborted = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    onAborted = resolve;
  });
  server.serveStream(COUNT, async function* (_body, _headers, signal) {
    signal.addEventListener("abort", () => onAborted(), { once: true });
    yield 1;
    await new Promise<never>(() => {});
  });
  return { aborted };
}
