import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ErrorCode, kennelError } from "../../runtime/errors.ts";
import { type ServiceSpec, superviseService } from "../../supervisor/service.ts";
import { gate, startSupervisor, testLimits, watch } from "../support/supervision.ts";

interface Connection {
  readonly number: number;
}

const forever = new AbortController().signal;
const soon = { timeoutMs: 5_000, signal: forever };

/** A service on connections that are numbered; `over` changes its faults. */
function startService(over: Partial<ServiceSpec<Connection>> = {}) {
  const { supervisor, clock } = startSupervisor();
  const closed: number[] = [];
  let opened = 0;
  const service = superviseService<Connection>(supervisor, {
    name: "store",
    kind: "vector_store",
    limits: testLimits(),
    open: async () => ({ number: ++opened }),
    close: async (connection) => void closed.push(connection.number),
    probe: async () => {},
    ...over,
  });
  return { service, supervisor, clock, closed };
}

test("Service answers a call with what its work gives, on the resource it opened", async () => {
  const { service, clock } = startService();
  const early = watch(service.call(async (connection) => connection.number, soon));
  await clock.flush();
  assert.is(early.result, 1, "a call waits for the first start");
  assert.is(service.isAvailable, true);
  assert.is(service.breaker, "closed");
});

test("Service shows its connections in the status tree, and none where it keeps none", async () => {
  const pool = { size: 3, idle: 2, inUse: 1, waiting: 0, limit: 4, max: 8 };
  const pooled = startService({ pool: () => pool });
  assert.equal(pooled.supervisor.status().children[0]?.pool, { size: 3, idle: 2, in_use: 1, waiting: 0, limit: 4, max: 8 });
  assert.is(startService().supervisor.status().children[0]?.pool, undefined);
});

test("Service whose opening fails is unavailable at once and heals by itself", async () => {
  let isDown = true;
  const { service, clock, supervisor } = startService({
    open: () =>
      isDown ? Promise.reject(kennelError("unavailable", { message: "No route to the store" })) : Promise.resolve({ number: 1 }),
  });
  const waiting = watch(service.call(async () => "answer", soon));
  await clock.flush();
  assert.is(waiting.result, "unavailable");
  assert.is(service.isAvailable, false);
  assert.is(service.breaker, "open");
  assert.match(supervisor.status().children[0]?.last_error ?? "", "No route to the store");
  await clock.advance(5_000);
  const ready = watch(service.whenReady(forever).then(() => "ready"));
  isDown = false;
  await clock.advance(4_000);
  assert.is(ready.result, "ready");
  assert.is(service.breaker, "closed");
  const healed = watch(service.call(async () => "answer", soon));
  await clock.flush();
  assert.is(healed.result, "answer");
});

test("Service that is long in opening for the first time counts as away: calls are refused, and taken once it is open", async () => {
  let open: (connection: Connection) => void = () => {};
  const { service, clock, supervisor } = startService({
    limits: testLimits({ slowCallMs: 1_000, startTimeoutMs: 10_000 }),
    open: () =>
      new Promise((resolve) => {
        open = resolve;
      }),
  });
  const waiting = watch(service.call(async () => "answer", soon));
  await clock.advance(999);
  assert.equal([waiting.result, service.isAvailable], [null, true]);
  await clock.advance(1);
  assert.equal([waiting.result, service.isAvailable, service.breaker], ["unavailable", false, "half_open"]);
  const late = watch(service.call(async () => "answer", soon));
  await clock.flush();
  assert.is(late.result, "unavailable");
  assert.is(supervisor.status().children[0]?.state, "starting");
  assert.match(service.refusal?.message ?? "", 'The vector store "store" is starting');
  open({ number: 1 });
  await clock.flush();
  assert.equal([service.isAvailable, service.breaker, service.refusal], [true, "closed", null]);
});

for (const code of ["invalid_request", "not_found", "conflict", "cancelled", "storage_full", "overloaded"] as const satisfies ErrorCode[]) {
  test(`Call that fails with ${code} reaches its caller and leaves the breaker closed`, async () => {
    const { service, clock } = startService();
    await clock.flush();
    for (let call = 0; call < 10; call++) {
      const failed = watch(service.call(() => Promise.reject(kennelError(code)), soon));
      await clock.flush();
      assert.is(failed.result, code);
    }
    assert.is(service.breaker, "closed");
  });
}

test("Calls that fail as unavailable open the breaker, and the resource is opened anew", async () => {
  const { service, clock, closed } = startService();
  await clock.flush();
  for (let call = 0; call < 4; call++) watch(service.call(() => Promise.reject(kennelError("unavailable")), soon));
  await clock.flush();
  assert.is(service.isAvailable, false);
  assert.equal(closed, [1]);
  await clock.advance(500);
  const answer = watch(service.call(async (connection) => connection.number, soon));
  await clock.flush();
  assert.is(answer.result, 2);
});

test("Foreign error reaches the caller as internal, with its cause", async () => {
  const { service, clock } = startService();
  const cause = new Error("socket hang up");
  const thrown = service.call(() => Promise.reject(cause), soon).catch((error: unknown) => error);
  await clock.flush();
  const error = (await thrown) as { code: string; message: string; cause: unknown };
  assert.is(error.code, "internal");
  assert.is(error.cause, cause);
  assert.not.match(error.message, "socket");
});

test("Work that throws before its first await fails its call alone", async () => {
  const { service, clock, supervisor } = startService();
  const work = (): Promise<never> => {
    throw kennelError("invalid_request");
  };
  const failed = watch(service.call(work, soon));
  await clock.flush();
  assert.is(failed.result, "invalid_request");
  assert.is(supervisor.status().children[0]?.incarnation, 1);
});

test("Cancellation and deadline of a caller reach the work", async () => {
  const { service, clock } = startService();
  const reasons: string[] = [];
  const work = (_: Connection, signal: AbortSignal) =>
    clock.sleep(60_000, signal).catch((reason: { code: string }) => {
      reasons.push(reason.code);
      throw reason;
    });
  const controller = new AbortController();
  const cancelled = watch(service.call(work, { timeoutMs: 5_000, signal: controller.signal }));
  const late = watch(service.call(work, { timeoutMs: 50, signal: forever }));
  await clock.flush();
  controller.abort();
  await clock.advance(50);
  assert.is(cancelled.result, "cancelled");
  assert.is(late.result, "deadline_exceeded");
  assert.equal(reasons, ["cancelled", "deadline_exceeded"]);
});

test("Failed probe keeps the half-open service closed to callers", async () => {
  let isHealthy = false;
  const { service, clock } = startService({ probe: () => (isHealthy ? Promise.resolve() : Promise.reject(kennelError("unavailable"))) });
  await clock.advance(3_000);
  assert.is(service.isAvailable, false);
  isHealthy = true;
  await clock.advance(4_000);
  assert.is(service.isAvailable, true);
});

test("Stopped service finishes its calls, then closes its resource, then refuses", async () => {
  const { service, clock, closed } = startService();
  await clock.flush();
  const held = gate();
  const running = watch(service.call(() => held.opened.then(() => "done"), soon));
  await clock.flush();
  const stopped = watch(service.stop("shutdown").then(() => "stopped"));
  await clock.flush();
  assert.equal(closed, []);
  assert.is(service.isAvailable, false);
  held.open();
  await clock.flush();
  assert.is(running.result, "done");
  assert.equal(closed, [1]);
  assert.is(stopped.result, "stopped");
  const late = watch(service.call(async () => "answer", soon));
  await clock.flush();
  assert.is(late.result, "unavailable");
});

test("A failure counts against the service in which it came up, not against those that pass it on", async () => {
  const { service, clock, supervisor } = startService({ limits: testLimits({ minCalls: 8 }) });
  const another = (name: string) =>
    superviseService<null>(supervisor, {
      name,
      kind: "document_store",
      limits: testLimits({ minCalls: 4 }),
      open: async () => null,
      close: async () => {},
      probe: async () => {},
    });
  const [own, passing, wrapping] = [another("own"), another("passing"), another("wrapping")];
  await clock.flush();
  const failing = () => service.call(() => Promise.reject(kennelError("unavailable")), soon);
  const wrapped = () => failing().catch((cause) => Promise.reject(kennelError("internal", { cause })));
  for (let turn = 0; turn < 8; turn++) {
    const calls = [passing.call(failing, soon), wrapping.call(wrapped, soon)].map(watch);
    await clock.flush();
    for (const call of calls) assert.ok(call.result === "unavailable" || call.result === "internal");
  }
  assert.is(service.breaker, "open");
  const refused = watch(passing.call(failing, soon));
  await clock.flush();
  assert.is(refused.result, "unavailable");
  assert.equal([passing.breaker, wrapping.breaker], ["closed", "closed"]);
  for (let turn = 0; turn < 4; turn++) {
    watch(own.call(() => Promise.reject(kennelError("unavailable")), soon));
    await clock.flush();
  }
  assert.is(own.breaker, "open");
});

test.run();
