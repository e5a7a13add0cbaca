import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kennelError } from "../../runtime/errors.ts";
import { localTransport } from "../../transport/local.ts";
import type { Endpoint } from "../../transport/transport.ts";
import { manualClock } from "../support/manual_clock.ts";
import { headersFor, rejects, transportContract } from "./transport_contract.ts";

transportContract("local", {
  open: async () => {
    const clock = manualClock();
    const transport = localTransport(clock);
    return { client: transport, server: transport, elapse: (durationMs) => clock.advance(durationMs), stop: () => transport.close(0) };
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
