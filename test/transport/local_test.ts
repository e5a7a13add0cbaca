import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kennelError } from "../../runtime/errors.ts";
import { localTransport } from "../../transport/local.ts";
import type { Endpoint } from "../../transport/transport.ts";
import { manualClock } from "../support/manual_clock.ts";
import { streamContract } from "./stream_contract.ts";
import { headersFor, rejects, transportContract } from "./transport_contract.ts";

transportContract("local", {
  open: async () => {
    const clock = manualClock();
    const transport = localTransport(clock);
    return { client: transport, server: transport, elapse: (durationMs) => clock.advance(durationMs), stop: () => transport.close(0) };
  },
});

streamContract("local", {
  open: async () => {
    const clock = manualClock();
    const transport = localTransport(clock);
    const close = (limitMs: number) => transport.close(limitMs);
    return { client: transport, server: transport, elapse: (durationMs) => clock.advance(durationMs), close, stop: () => close(0) };
  },
});

const test = suite("local transport");
const ECHO: Endpoint<object, object> = { name: "echo" };
const never = new AbortController().signal;

test("LocalTransport hands the body over without copying it", async () => {
  const transport = localTransport(manualClock());
  transport.serve(ECHO, async (body) => body);
  const body = { bytes: new Uint8Array(3) };
  assert.is(await transport.request(ECHO, body, headersFor(1_000), never), body);
});

test("LocalTransport leaves no timer and no listener behind an answered request", async () => {
  const clock = manualClock();
  const transport = localTransport(clock);
  transport.serve(ECHO, async (body) => body);
  await transport.request(ECHO, {}, headersFor(1_000), never);
  assert.is(clock.pendingTimers, 0);
});

test("LocalTransport tells a caller that its own deadline ended the request when that is why the signal aborted", async () => {
  const transport = localTransport(manualClock());
  transport.serve(ECHO, () => new Promise(() => {}));
  const caller = new AbortController();
  const outcome = rejects(transport.request(ECHO, {}, headersFor(1_000), caller.signal), "deadline_exceeded");
  caller.abort(kennelError("deadline_exceeded"));
  await outcome;
});

test("LocalTransport gives what a handler has ready at once, and asks the handler itself for nothing", async () => {
  const clock = manualClock();
  const transport = localTransport(clock);
  let calls = 0;
  const kept = { text: "kept" };
  transport.serve(
    ECHO,
    async (body) => {
      calls++;
      return body;
    },
    (body, headers) => ("isKnown" in body && headers.requestId === "r-1" ? kept : null),
  );
  assert.is(transport.ready(ECHO, { isKnown: true }, headersFor(1_000)), kept);
  assert.is(transport.ready(ECHO, {}, headersFor(1_000)), null);
  assert.is(transport.ready(ECHO, { isKnown: true }, headersFor(0)), null);
  assert.is(transport.ready({ name: "nobody's" }, {}, headersFor(1_000)), null);
  assert.equal([calls, clock.pendingTimers], [0, 0]);
  await transport.close(0);
  assert.is(transport.ready(ECHO, { isKnown: true }, headersFor(1_000)), null);
});

test("LocalTransport ignores what a handler says after its request was settled", async () => {
  const clock = manualClock();
  const transport = localTransport(clock);
  let fail = (_reason: unknown): void => {};
  transport.serve(
    ECHO,
    () =>
      new Promise((_resolve, reject) => {
        fail = reject;
      }),
  );
  const outcome = rejects(transport.request(ECHO, {}, headersFor(10), never), "deadline_exceeded");
  await clock.advance(10);
  fail(new Error("too late"));
  await outcome;
  await transport.close(0);
});

test.run();
