import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import { openTelemetry, type TracingOptions } from "../../telemetry/open_telemetry.ts";
import { Redaction } from "../../telemetry/redaction.ts";
import { NO_TRACER, traced, tracedParts, tracedPort } from "../../telemetry/tracing.ts";
import { drawTrace, type OtlpReceiver, startOtlpReceiver } from "../support/otlp_receiver.ts";

const test = suite("Tracer over OpenTelemetry");
const GIVEN = "0af7651916cd43dd8448eb211c80319c";
const SAMPLED = `00-${GIVEN}-b7ad6b7169203331-01`;
const LEFT_OUT = `00-${GIVEN}-b7ad6b7169203331-00`;
const ROOT = { name: "root" };

test("A caller's trace goes on below its span, and its decision holds whatever the share", () =>
  withTracer({ ratio: 0 }, async ({ tracer, receiver }) => {
    const span = tracer.begin(SAMPLED, "r", ROOT);
    assert.match(span?.traceparent ?? "", new RegExp(`^00-${GIVEN}-[0-9a-f]{16}-01$`));
    span?.end();
    const [sent] = await receiver.trace((spans) => spans.length === 1);
    assert.is(sent?.traceId, GIVEN);
    assert.is(sent?.parentSpanId, "b7ad6b7169203331");
    assert.is(tracer.begin(LEFT_OUT, "r", ROOT), null);
    assert.is(tracer.begin(null, "r", ROOT), null);
  }));

test("Of those that begin here the share is kept; what is no traceparent is none; another node's never begin one", () =>
  withTracer({ ratio: 0.25, chances: [0.24, 0.25, 0.9] }, async ({ tracer }) => {
    assert.ok(tracer.begin(null, "r", ROOT));
    assert.is(tracer.begin("garbage", "r", ROOT), null);
    assert.is(tracer.begin(`00-${"0".repeat(32)}-b7ad6b7169203331-01`, "r", ROOT), null);
    for (const given of [null, "garbage", LEFT_OUT]) assert.is(tracer.resume(given, "r", ROOT), null);
    assert.ok(tracer.resume(SAMPLED, "r", ROOT));
  }));

test("What runs under a span stands below it through promises and timers, what runs under none beside it", () =>
  withTracer({}, async ({ tracer, receiver }) => {
    const root = tracer.begin(null, "req_1", { ...ROOT, actor: "n/a" });
    await tracer.within(root, () =>
      traced(tracer, { name: "outer" }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        await Promise.all([
          traced(tracer, { name: "left", actor: "n/b" }, async () => assert.is(tracer.active()?.logFields.actor, "n/b")),
          traced(tracer, { name: "right" }, async () => assert.is(tracer.active()?.logFields.actor, "n/a")),
        ]);
        tracer.within(null, () => assert.is(tracer.active(), null));
        assert.is(tracer.active()?.logFields.requestId, "req_1");
      }),
    );
    assert.is(tracer.active(), null);
    root?.end();
    const spans = await receiver.trace((sent) => sent.length === 4);
    assert.is(drawTrace(spans), ["node    root", "node      outer", "node        left", "node        right"].join("\n"));
    for (const { startMs, endMs } of spans) assert.ok(endMs >= startMs);
  }));

test("Nothing is added to a trace that has ended, and no more than a thousand spans to one", () =>
  withTracer({}, async ({ tracer, receiver }) => {
    const root = tracer.begin(null, "r", ROOT);
    tracer.within(root, () => {
      for (let at = 0; at < 2_000; at++) tracer.child({ name: "child" })?.end();
      root?.end();
      assert.is(tracer.active(), null);
      assert.is(tracer.child({ name: "late" }), null);
    });
    const spans = await receiver.trace((sent) => sent.some(({ name }) => name === "root"));
    assert.is(spans.length, 1_000);
  }));

test("A failure is written as its code; no secret, path or over-long text is in a span", () =>
  withTracer({ redaction: new Redaction(["canary-7f3a91"]) }, async ({ tracer, receiver }) => {
    const root = tracer.begin(null, "r", { name: "root", attributes: { a: "canary-7f3a91", none: null, list: ["x canary-7f3a91"] } });
    root?.set({ b: "mongodb://u:pw@h/x", long: "y".repeat(100_000) });
    assert.throws(() =>
      tracer.within(root, () =>
        traced(tracer, { name: "fails" }, () => {
          throw kennelError("unavailable", { message: "canary-7f3a91 /etc/passwd", cause: new Error("canary-7f3a91") });
        }),
      ),
    );
    root?.end(new Error("canary-7f3a91"));
    root?.end();
    const spans = await receiver.trace((sent) => sent.length === 2);
    assert.not.match(receiver.bodies.join(), /canary|passwd|:pw@/);
    assert.ok(receiver.bodies.join().length < 10_000);
    const by = Object.fromEntries(spans.map((span) => [span.name, span]));
    assert.is(by.fails?.attributes["error.type"], "unavailable");
    assert.is(by.fails?.status, 2);
    assert.is(by.root?.attributes["error.type"], "internal");
  }));

test("Of too many attributes the first are sent, and how many were left out; one that is set again keeps its place", () =>
  withTracer({}, async ({ tracer, receiver }) => {
    const root = tracer.begin(null, "r", ROOT);
    root?.set(Object.fromEntries(Array.from({ length: 70 }, (_, at) => [`a${at}`, at])));
    root?.set({ a0: "again", list: ["x"] });
    root?.end();
    root?.set({ a1: "late" });
    const [sent] = await receiver.trace((spans) => spans.length === 1);
    assert.is(Object.keys(sent?.attributes ?? {}).length, 64);
    assert.is(sent?.attributes.a0, "again");
    assert.match(receiver.bodies.join(), '"droppedAttributesCount":7');
    assert.not.match(receiver.bodies.join(), "late");
  }));

test("A stream's span ends with its last part, with its failure, or when its reader leaves", () =>
  withTracer({}, async ({ tracer, receiver }) => {
    const root = tracer.begin(null, "r", ROOT);
    async function* parts(fails: boolean) {
      yield tracer.active()?.traceparent;
      if (fails) throw kennelError("unavailable");
      yield tracer.active()?.traceparent;
    }
    const stream = (name: string, fails = false) =>
      tracer.within(root, () => {
        const span = tracer.child({ name });
        assert.ok(span);
        return { span, chunks: tracedParts(tracer, span, parts(fails)) };
      });
    const whole = stream("whole");
    for await (const seen of whole.chunks) assert.is(seen, whole.span.traceparent, "each part is made under the span");
    for await (const _ of stream("left").chunks) break;
    let thrown: unknown = null;
    try {
      for await (const _ of stream("broken", true).chunks);
    } catch (error) {
      thrown = error;
    }
    assert.is((thrown as { code: string }).code, "unavailable");
    root?.end();
    const spans = await receiver.trace((sent) => sent.length === 4);
    assert.is(spans.find(({ name }) => name === "broken")?.status, 2);
    assert.is(spans.find(({ name }) => name === "left")?.status, 0);
  }));

test("A port's named calls are spans; private fields, other members and what is not traced are as ever", () =>
  withTracer({}, async ({ tracer, receiver }) => {
    class Store {
      readonly #answer = 42;
      readonly size = 7;
      async searchText(by: number) {
        return this.#answer + by;
      }
      other() {
        return this.#answer;
      }
    }
    const store = tracedPort(tracer, new Store(), "lancedb", ["searchText"], { "db.system.name": "lancedb" });
    assert.is(await store.searchText(1), 43);
    assert.is(store.other(), 42);
    assert.is(store.size, 7);
    const root = tracer.begin(null, "r", ROOT);
    assert.is(await tracer.within(root, () => store.searchText(2)), 44);
    root?.end();
    const spans = await receiver.trace((sent) => sent.length === 2);
    const call = spans.find(({ name }) => name === "search_text lancedb");
    assert.is(call?.attributes["db.operation.name"], "search_text");
  }));

test("A full queue drops and counts, a collector that refuses costs nobody anything but the spans", async () => {
  await withTracer({ maxQueuedSpans: 10, intervalMs: 60_000 }, async ({ tracer }) => {
    const root = tracer.begin(null, "r", ROOT);
    tracer.within(root, () => {
      for (let at = 0; at < 100; at++) tracer.child({ name: "child" })?.end();
    });
    root?.end();
    assert.ok(tracer.stats.dropped >= 81, JSON.stringify(tracer.stats));
    await tracer.stop(10_000);
    const { exported, dropped, failed } = tracer.stats;
    assert.is(exported + dropped + failed, 101);
    assert.ok(exported > 0);
  });
  await withTracer({}, async ({ tracer, receiver }) => {
    receiver.status = 400;
    tracer.begin(null, "r", ROOT)?.end();
    await tracer.stop(10_000);
    assert.equal(tracer.stats, { exported: 0, dropped: 0, failed: 1 });
  });
});

test("A collector's key goes along as a header", () =>
  withTracer({ headers: { "x-key": "k1" } }, async ({ tracer, receiver }) => {
    tracer.begin(null, "r", ROOT)?.end();
    await receiver.trace((sent) => sent.length === 1);
    assert.is(receiver.headers["x-key"], "k1");
  }));

test("Without tracing nothing is made, and work runs as it is", async () => {
  assert.is(NO_TRACER.begin(SAMPLED, "r", ROOT), null);
  assert.is(
    traced(NO_TRACER, ROOT, (span) => span),
    null,
  );
});

interface Rig {
  readonly tracer: ReturnType<typeof openTelemetry>;
  readonly receiver: OtlpReceiver;
}

async function withTracer(options: Partial<TracingOptions> & { readonly chances?: readonly number[] }, body: (rig: Rig) => Promise<void>) {
  const receiver = await startOtlpReceiver();
  const chances = [...(options.chances ?? [])];
  const tracer = openTelemetry({
    url: receiver.url,
    headers: {},
    ratio: 1,
    maxQueuedSpans: 4_096,
    intervalMs: 20,
    timeoutMs: 5_000,
    node: "node",
    version: "0",
    clock: systemClock(),
    random: { next: () => chances.shift() ?? 0.5 },
    redaction: new Redaction(),
    ...options,
  });
  try {
    await body({ tracer, receiver });
  } finally {
    await tracer.stop(10_000);
    await receiver.close();
  }
}

test.run();
