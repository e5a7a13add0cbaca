/**
 * The tracer over OpenTelemetry's SDK, which makes ids, spans and batches and sends them by OTLP over HTTP as JSON.
 *
 * Invariants:
 *   O1. Whether a trace is kept is decided once, where it begins; nothing is made for one that is not.
 *   O2. Once a node's part of a trace has ended nothing is added to it: timers and actors that it has brought into being run on.
 *   O3. Spans that wait, spans of one trace, attributes and their lengths are bounded; what is beyond is dropped and counted.
 *   O4. No text of a span is written without passing `Redaction`; of an error its code alone.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Span as LibrarySpan,
  type Tracer as LibraryTracer,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, type SpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Clock } from "../runtime/clock.ts";
import { toKennelError } from "../runtime/errors.ts";
import type { Random } from "../runtime/random.ts";
import type { Redaction } from "./redaction.ts";
import type { Span, SpanAttributes, SpanSpec, Tracer, TracerStats } from "./tracing.ts";

export interface TracingOptions {
  /** Where a collector takes OTLP over HTTP: `http://127.0.0.1:4318`; `/v1/traces` is added. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Share of the traces that begin here which are kept, 0 to 1. */
  readonly ratio: number;
  readonly maxQueuedSpans: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly node: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly redaction: Redaction;
}

const MAX_BATCH = 512;
/** Spans of one trace on one node; a search has about 30. */
const MAX_SPANS = 1_000;
const MAX_ATTRIBUTES = 64;
const MAX_VALUE = 1_024;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const NO_ID = /^0+$/;
const KINDS = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT } as const;

export function openTelemetry(options: TracingOptions): Tracer {
  return new SampledTracer(options);
}

/** What a caller says of the trace that it has begun. */
interface Given {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

/** Null: nothing, or nothing that means anything (W3C Trace Context, 3.2.2). */
function readTraceparent(text: string | null): Given | null {
  const found = text === null ? null : TRACEPARENT.exec(text);
  if (found === null) return null;
  const [, traceId = "", spanId = "", flags = ""] = found;
  if (NO_ID.test(traceId) || NO_ID.test(spanId)) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & TraceFlags.SAMPLED) !== 0 };
}

class SampledTracer implements Tracer {
  readonly isOn = true;
  readonly #options: TracingOptions;
  readonly #running = new AsyncLocalStorage<OpenSpan | undefined>();
  readonly #queue: CountedQueue;
  readonly #provider: TracerProvider;
  readonly #library: LibraryTracer;

  constructor(options: TracingOptions) {
    const { url, headers, timeoutMs, node, version } = options;
    this.#options = options;
    const exporter = new OTLPTraceExporter({
      url: `${url.replace(/\/+$/, "")}/v1/traces`,
      headers: { ...headers },
      timeoutMillis: timeoutMs,
    });
    this.#queue = new CountedQueue(exporter, options);
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({ "service.name": "kennel", "service.version": version, "service.instance.id": node }),
      sampler: new AlwaysOnSampler(), // O1: what reaches the library is kept
      spanLimits: { attributeCountLimit: MAX_ATTRIBUTES, attributeValueLengthLimit: MAX_VALUE },
      spanProcessors: [this.#queue],
    });
    this.#library = this.#provider.getTracer("kennel", version);
  }

  get stats(): TracerStats {
    return this.#queue.stats;
  }

  active(): Span | null {
    const span = this.#running.getStore();
    return span === undefined || span.trace.isOver ? null : span;
  }

  begin(traceparent: string | null, requestId: string, spec: SpanSpec): Span | null {
    const given = readTraceparent(traceparent);
    const isKept = given === null ? this.#options.random.next() < this.#options.ratio : given.isSampled;
    return isKept ? this.#open(given, requestId, spec) : null; // O1
  }

  resume(traceparent: string | null, requestId: string, spec: SpanSpec): Span | null {
    const given = readTraceparent(traceparent);
    return given?.isSampled === true ? this.#open(given, requestId, spec) : null;
  }

  child(spec: SpanSpec): Span | null {
    return this.#child(spec, null);
  }

  record(name: string, startedMs: number): void {
    this.#child({ name }, startedMs)?.end();
  }

  within<Result>(span: Span | null, work: () => Result): Result {
    const next = span instanceof OpenSpan ? span : undefined;
    return this.#running.getStore() === next ? work() : this.#running.run(next, work);
  }

  async stop(limitMs: number): Promise<void> {
    const limit = new AbortController();
    const limited = this.#options.clock.sleep(limitMs, limit.signal).catch(() => {});
    await Promise.race([this.#provider.shutdown().catch(() => {}), limited]);
    limit.abort();
  }

  #open(given: Given | null, requestId: string, spec: SpanSpec): OpenSpan {
    const { clock, redaction } = this.#options;
    const local: Trace = { isOver: false, spans: 1, requestId, clock, redaction, originMs: clock.wallMs() - clock.monotonicMs() };
    const above =
      given === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...given, traceFlags: TraceFlags.SAMPLED, isRemote: true });
    return new OpenSpan(this.#start(above, spec, local, null), local, null, spec.actor);
  }

  #child(spec: SpanSpec, startedMs: number | null): OpenSpan | null {
    const above = this.#running.getStore();
    if (above === undefined || above.trace.isOver || above.trace.spans >= MAX_SPANS) return null; // O2, O3
    above.trace.spans++;
    const context = trace.setSpan(ROOT_CONTEXT, above.library);
    return new OpenSpan(this.#start(context, spec, above.trace, startedMs), above.trace, above, spec.actor);
  }

  #start(context: typeof ROOT_CONTEXT, spec: SpanSpec, local: Trace, startedMs: number | null): LibrarySpan {
    const { name, kind = "internal", attributes = {} } = spec;
    const startTime = local.originMs + (startedMs ?? local.clock.monotonicMs());
    return this.#library.startSpan(name, { kind: KINDS[kind], startTime, attributes: fit(local.redaction, attributes) }, context);
  }
}

/** One node's part of one trace. */
interface Trace {
  isOver: boolean;
  spans: number;
  readonly requestId: string;
  readonly clock: Clock;
  readonly redaction: Redaction;
  /** Wall time less monotonic time when it began, so that all of its spans have one clock. */
  readonly originMs: number;
}

class OpenSpan implements Span {
  readonly library: LibrarySpan;
  readonly trace: Trace;
  readonly #actor: string | null;
  readonly #isFirst: boolean;
  #isEnded = false;

  constructor(library: LibrarySpan, local: Trace, above: OpenSpan | null, actor: string | undefined) {
    this.library = library;
    this.trace = local;
    this.#isFirst = above === null;
    this.#actor = actor ?? above?.actor ?? null;
  }

  get actor(): string | null {
    return this.#actor;
  }

  get traceparent(): string {
    const { traceId, spanId } = this.library.spanContext();
    return `00-${traceId}-${spanId}-01`;
  }

  get logFields(): Readonly<Record<string, string>> {
    const { traceId, spanId } = this.library.spanContext();
    const { requestId } = this.trace;
    return { requestId, traceId, spanId, ...(this.#actor === null ? {} : { actor: this.#actor }) };
  }

  set(attributes: SpanAttributes): void {
    if (!this.#isEnded) this.library.setAttributes(fit(this.trace.redaction, attributes));
  }

  end(failure?: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (failure !== undefined && failure !== null) {
      const { code } = toKennelError(failure);
      this.library.setAttribute("error.type", code);
      this.library.setStatus({ code: SpanStatusCode.ERROR, message: code }); // O4
    }
    if (this.#isFirst) this.trace.isOver = true; // O2
    this.library.end(this.trace.originMs + this.trace.clock.monotonicMs());
  }
}

/** O4 */
function fit(redaction: Redaction, attributes: SpanAttributes): Record<string, string | number | boolean | string[]> {
  const written: Record<string, string | number | boolean | string[]> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null) continue;
    if (typeof value === "string") written[name] = redaction.text(value);
    else if (typeof value === "number" || typeof value === "boolean") written[name] = value;
    else written[name] = value.slice(0, MAX_ATTRIBUTES).map((text) => redaction.text(text));
  }
  return written;
}

/** The library's batches behind a bound that is counted: its own drops in silence. */
class CountedQueue implements SpanProcessor {
  readonly #maxWaiting: number;
  readonly #batches: BatchSpanProcessor;
  #waiting = 0;
  #exported = 0;
  #dropped = 0;
  #failed = 0;

  constructor(exporter: SpanExporter, { maxQueuedSpans, intervalMs, timeoutMs }: TracingOptions) {
    this.#maxWaiting = maxQueuedSpans;
    this.#batches = new BatchSpanProcessor({
      exporter: {
        export: (spans, done) => {
          this.#waiting -= spans.length;
          exporter.export(spans, (result) => {
            if (result.code === 0) this.#exported += spans.length;
            else this.#failed += spans.length;
            done(result);
          });
        },
        forceFlush: async () => exporter.forceFlush?.(),
        shutdown: () => exporter.shutdown(),
      },
      maxQueueSize: maxQueuedSpans,
      maxExportBatchSize: Math.min(MAX_BATCH, maxQueuedSpans),
      scheduledDelayMillis: intervalMs,
      exportTimeoutMillis: timeoutMs,
    });
  }

  get stats(): TracerStats {
    return { exported: this.#exported, dropped: this.#dropped, failed: this.#failed };
  }

  onStart(): void {}

  onEnd(span: Parameters<SpanProcessor["onEnd"]>[0]): void {
    if (this.#waiting >= this.#maxWaiting) {
      this.#dropped++; // O3
      return;
    }
    this.#waiting++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }
}
