import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ErrorCode, KennelError, kennelError } from "../../runtime/errors.ts";
import { type Endpoint, type MessageHeaders, OPEN_SCOPE, type Transport } from "../../transport/transport.ts";

export interface TransportRig {
  /** Sends the requests. */
  readonly client: Transport;
  /** Holds the handlers; the same object as `client` where one process is all there is. */
  readonly server: Transport;
  /** Lets this much time pass for both sides. */
  elapse(durationMs: number): Promise<void>;
  stop(): Promise<void>;
}

interface Deviation {
  readonly reason: string;
  readonly tests: readonly string[];
}

const ECHO: Endpoint<{ readonly text: string }, { readonly text: string }> = { name: "echo" };
const HANG: Endpoint<Record<string, never>, never> = { name: "hang" };

export const headersFor = (timeoutMs: number): MessageHeaders => ({ requestId: "r-1", timeoutMs, traceparent: null, scope: OPEN_SCOPE });
const never = new AbortController().signal;

/** What every transport promises; a deviation is listed in `skip` with its reason and tested in the adapter's own file. */
export function transportContract(name: string, options: { open(): Promise<TransportRig>; readonly skip?: readonly Deviation[] }): void {
  const test = suite(`transport contract: ${name}`);
  const skipped = new Set((options.skip ?? []).flatMap((deviation) => deviation.tests));

  const promise = (sentence: string, body: (rig: TransportRig) => Promise<void>) => {
    if (skipped.has(sentence)) return;
    test(sentence, async () => {
      const rig = await options.open();
      try {
        await body(rig);
      } finally {
        await rig.stop();
      }
    });
  };

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
