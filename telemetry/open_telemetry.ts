/**
 * The tracer over OpenTelemetry's SDK, which makes ids and batches and sends them by OTLP over HTTP as JSON; the spans are our
 * own (`recorded_span.ts`).
 *
 * Invariants:
 *   O1. Whether a trace is kept is decided once, where it begins; nothing is made for one that is not.
 *   O2. Once a node's part of a trace has ended nothing is added to it: timers and actors that it has brought into being run on.
 *   O3. Spans that wait, spans of one trace, attributes and their lengths are bounded; what is beyond is dropped and counted.
 *   O4. No text of a span is written without passing `Redaction`; of an error its code alone.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, RandomIdGenerator, type SpanExporter } from "@opentelemetry/sdk-trace";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { RecordedSpan, type SpanOrigin, type Trace } from "./recorded_span.ts";
import type { Redaction } from "./redaction.ts";
import type { Span, SpanSpec, Tracer, TracerStats } from "./tracing.ts";

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
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const NO_ID = /^0+$/;

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
  readonly #running = new AsyncLocalStorage<RecordedSpan | undefined>();
  readonly #queue: CountedQueue;
  readonly #ids = new RandomIdGenerator();
  readonly #origin: SpanOrigin;

  constructor(options: TracingOptions) {
    const { url, headers, timeoutMs, node, version } = options;
    this.#options = options;
    const exporter = new OTLPTraceExporter({
      url: `${url.replace(/\/+$/, "")}/v1/traces`,
      headers: { ...headers },
      timeoutMillis: timeoutMs,
    });
    const queue = new CountedQueue(exporter, options);
    this.#queue = queue;
    this.#origin = {
      clock: options.clock,
      redaction: options.redaction,
      resource: resourceFromAttributes({ "service.name": "kennel", "service.version": version, "service.instance.id": node }),
      scope: { name: "kennel", version },
      ended: (span) => queue.onEnd(span),
      newSpanId: this.#ids.generateSpanId,
    };
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
    const next = span instanceof RecordedSpan ? span : undefined;
    return this.#running.getStore() === next ? work() : this.#running.run(next, work);
  }

  async stop(limitMs: number): Promise<void> {
    const limit = new AbortController();
    const limited = this.#options.clock.sleep(limitMs, limit.signal).catch(() => {});
    await Promise.race([this.#queue.shutdown().catch(() => {}), limited]);
    limit.abort();
  }

  #open(given: Given | null, requestId: string, spec: SpanSpec): RecordedSpan {
    const { clock } = this.#options;
    const trace: Trace = {
      isOver: false,
      spans: 1,
      id: given?.traceId ?? this.#ids.generateTraceId(),
      requestId,
      origin: this.#origin,
      originMs: clock.wallMs() - clock.monotonicMs(),
    };
    const above = given === null ? null : { ...given, traceFlags: TraceFlags.SAMPLED, isRemote: true };
    return new RecordedSpan(trace, above, spec, null);
  }

  #child(spec: SpanSpec, startedMs: number | null): RecordedSpan | null {
    const above = this.#running.getStore();
    if (above === undefined || above.trace.isOver || above.trace.spans >= MAX_SPANS) return null; // O2, O3
    above.trace.spans++;
    return new RecordedSpan(above.trace, above, spec, startedMs);
  }
}

/** The library's batches behind a bound that is counted: its own drops in silence. */
class CountedQueue {
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

  onEnd(span: RecordedSpan): void {
    if (this.#waiting >= this.#maxWaiting) {
      this.#dropped++; // O3
      return;
    }
    this.#waiting++;
    this.#batches.onEnd(span);
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }
}
