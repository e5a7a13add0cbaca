import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import { PoolGauge } from "../../../actors/document_store/mongodb.ts";
import { superviseDocumentStore } from "../../../actors/document_store/supervised.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { KennelError } from "../../../runtime/errors.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { type Service, superviseService } from "../../../supervisor/service.ts";
import { createSupervisor, type Supervisor } from "../../../supervisor/supervisor.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import type { FerretServer } from "../../../tooling/servers/ferretdb.ts";
import { SETTINGS, textDocument } from "../../actors/document_store/documents.ts";
import { testLimits } from "../../support/supervision.ts";
import { newDatabase, openStore, startServer } from "./server.ts";

const forever = new AbortController().signal;
const clock = systemClock();

interface Supervised {
  readonly supervisor: Supervisor;
  readonly service: Service<DocumentStore>;
  readonly store: DocumentStore;
  readonly log: string[];
}

/** The store as a node has it: behind its actor, with a breaker that is quick to try again. */
function supervise(url: string, differs: Parameters<typeof openStore>[1] = {}): Supervised {
  const log: string[] = [];
  const logger = createLogger({ level: "trace", node: "test" }, { write: (line: string) => void log.push(line) });
  const supervisor = createSupervisor({ name: "node", clock, random: seededRandom(7), logger });
  const gauge = new PoolGauge();
  const service = superviseService<DocumentStore>(supervisor, {
    name: "document_store",
    kind: "document_store",
    limits: testLimits({
      maxInFlight: 64,
      mailboxCapacity: 100,
      backoffMs: 100,
      maxBackoffMs: 300,
      probeTimeoutMs: 1_000,
      probeIntervalMs: 200,
      maxFailedProbes: 1,
      startTimeoutMs: 5_000,
    }),
    open: () => openStore(url, { gauge, ...differs }),
    close: (store) => store.close(),
    probe: (store, signal) => store.probe(signal),
    pool: () => gauge.read(),
  });
  return { supervisor, service, store: superviseDocumentStore(service, 10_000), log };
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => "done",
    (error) => {
      assert.instance(error, KennelError);
      assert.not.match(error.message, /mongodb:|127\.0\.0\.1|secret/);
      return (error as KennelError).code;
    },
  );
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const limitMs = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > limitMs) throw new Error(`It never came to be that ${what}`);
    await clock.sleep(20, forever);
  }
}

/** A deadline as requests have it: calls must settle without anybody's help when it passes. */
async function withDeadline<Value>(deadlineMs: number, work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const late = clock.sleep(deadlineMs + 2_000, forever).then(() => Promise.reject(new Error("The call outlived its deadline")));
  return Promise.race([work(deadline), late]);
}

const test = suite<{ server: FerretServer; alive: ReturnType<typeof setInterval> }>("supervised MongoDB document store");
test.before.each(async (context) => {
  // The clock's timers alone, which is all there is while the server is away, do not keep a process alive.
  context.alive = setInterval(() => {}, 1_000);
  context.server = await startServer();
});
test.after.each(async ({ server, alive }) => {
  await server.stop();
  clearInterval(alive);
});

test("A server that is killed in mid-call fails its calls as unavailable, opens the breaker, and is back by itself with its data", async ({
  server,
}) => {
  const { supervisor, service, store } = supervise(newDatabase(server));
  await service.whenReady(forever);
  await store.createCollection("docs", SETTINGS, forever);
  await store.acceptDocuments("docs", "kept", [textDocument("kept", "text")], {}, forever);
  const calls = Array.from({ length: 16 }, (_, place) =>
    codeOf(store.acceptDocuments("docs", `job${place}`, [textDocument(`d${place}`, "text")], {}, forever)),
  );
  await Promise.race(calls);
  server.kill("SIGKILL");
  const codes = await Promise.all(calls);
  assert.ok(
    codes.every((code) => code === "done" || code === "unavailable"),
    codes.join(),
  );
  await until("the breaker is open", () => !service.isAvailable);
  assert.is(await codeOf(store.getCollection("docs", forever)), "unavailable", "refused at once");
  await server.restart();
  await until("it is back", () => service.isAvailable);
  assert.is((await store.getDocument("docs", "kept", forever))?.text, "text");
  const record = await store.getCollection("docs", forever);
  const stored = (await store.listDocuments("docs", { after: null, limit: 100 }, forever)).items.map(({ id }) => id);
  assert.is(record?.documents, stored.length, "counts and documents agree");
  for (const [place, code] of codes.entries())
    if (code === "done") assert.ok(stored.includes(`d${place}`), "what was acknowledged is there");
  await supervisor.stop({ reason: "done", limitMs: 5_000 });
});

test("A server that hangs keeps no caller beyond its deadline, and is used again once it goes on", async ({ server }) => {
  const { supervisor, service, store } = supervise(newDatabase(server));
  await service.whenReady(forever);
  await store.createCollection("docs", SETTINGS, forever);
  server.kill("SIGSTOP");
  await until("it hangs", async () => (await withDeadline(200, (signal) => codeOf(store.getCollection("docs", signal)))) !== "done");
  const calls = Array.from({ length: 4 }, () => withDeadline(500, (signal) => codeOf(store.getCollection("docs", signal))));
  const writes = withDeadline(500, (signal) => codeOf(store.acceptDocuments("docs", "job", [textDocument("a", "b")], {}, signal)));
  for (const code of await Promise.all([...calls, writes])) {
    assert.ok(["cancelled", "deadline_exceeded", "unavailable"].includes(code), code);
  }
  await until("the breaker is open", () => !service.isAvailable);
  server.kill("SIGCONT");
  await until("it is back", () => service.isAvailable);
  await until(
    "it can be written to",
    async () => (await codeOf(store.putAlias({ alias: "x", collection: "docs", version: null }, forever))) === "done",
  );
  assert.is((await store.getCollection("docs", forever))?.name, "docs");
  await supervisor.stop({ reason: "done", limitMs: 5_000 });
});

test("A server that is down at the start leaves the service suspended, and it comes by itself when the server does", async ({ server }) => {
  server.kill("SIGKILL");
  const { supervisor, service, store, log } = supervise(newDatabase(server).replace("mongodb://", "mongodb://user:secret@"));
  await until("it is suspended", () => supervisor.status().children[0]?.state === "suspended");
  assert.is(await codeOf(store.listAliases(forever)), "unavailable");
  assert.match(supervisor.status().children[0]?.last_error ?? "", "cannot be reached");
  assert.not.match(log.join("\n") + JSON.stringify(supervisor.status()), "secret");
  await supervisor.stop({ reason: "done", limitMs: 5_000 });

  const { supervisor: another, service: waiting, store: late } = supervise(newDatabase(server));
  await until("it is suspended", () => another.status().children[0]?.state === "suspended");
  await server.restart();
  await waiting.whenReady(forever);
  assert.equal(await late.listAliases(forever), []);
  assert.is(service.isAvailable, false);
  await another.stop({ reason: "done", limitMs: 5_000 });
});

test("Connections show in the status, are never more than allowed, and a call that waits too long for one is refused", async ({
  server,
}) => {
  const { supervisor, service, store } = supervise(newDatabase(server), { maxPoolSize: 2, minPoolSize: 1, waitQueueTimeoutMs: 300 });
  await service.whenReady(forever);
  await store.createCollection("docs", SETTINGS, forever);
  const pool = () => supervisor.status().children[0]?.pool ?? { size: 0, idle: 0, in_use: 0, waiting: 0, max: 0 };
  assert.is(pool().max, 2);
  assert.ok(pool().size >= 1 && pool().in_use === 0);
  server.kill("SIGSTOP");
  const calls = Array.from({ length: 8 }, () => codeOf(store.getCollection("docs", AbortSignal.timeout(5_000))));
  await until("calls wait for a connection", () => pool().waiting > 0);
  assert.ok(pool().size <= 2 && pool().in_use <= 2);
  const first = await Promise.race(calls);
  assert.ok(first === "overloaded" || first === "unavailable", first);
  server.kill("SIGCONT");
  const codes = await Promise.all(calls);
  assert.ok(codes.includes("overloaded") || codes.includes("unavailable"), codes.join());
  await until("no call waits", () => pool().waiting === 0 && pool().in_use === 0);
  await supervisor.stop({ reason: "done", limitMs: 5_000 });
});

test("Loss and return of the server leave no connection in use and no call waiting", async ({ server }) => {
  const { supervisor, service, store } = supervise(newDatabase(server));
  await service.whenReady(forever);
  for (let round = 0; round < 5; round++) {
    server.kill("SIGKILL");
    await until("the breaker is open", () => !service.isAvailable);
    await server.restart();
    await until("it is back", () => service.isAvailable);
    await until("it answers", async () => (await codeOf(store.listAliases(forever))) === "done");
  }
  const pool = supervisor.status().children[0]?.pool;
  assert.ok(pool !== undefined && pool.size <= 8 && pool.in_use === 0 && pool.waiting === 0, JSON.stringify(pool));
  await supervisor.stop({ reason: "done", limitMs: 5_000 });
  assert.is(supervisor.status().children.length, 0);
});

test.run();
