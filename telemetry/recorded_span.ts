/**
 * A span from its beginning until it is sent, as the library's batches and its exporter read it. The library's own costs a kept
 * answer several times what the answer does: one request in a hundred runs it, which is too seldom for it ever to be compiled.
 *
 * Invariants: O2 to O4 of `open_telemetry.ts`.
 */
import { type HrTime, type SpanContext, SpanKind, type SpanStatus, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { Clock } from "../runtime/clock.ts";
import { toKennelError } from "../runtime/errors.ts";
import type { Redaction } from "./redaction.ts";
import type { Span, SpanAttributes, SpanSpec } from "./tracing.ts";

const MAX_ATTRIBUTES = 64;
/** UTF-16 units of one text. */
const MAX_VALUE = 1_024;
const KINDS = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT } as const;
const UNSET: SpanStatus = { code: SpanStatusCode.UNSET };
const NONE: [] = [];

/** What all spans of a node share. */
export interface SpanOrigin {
  readonly clock: Clock;
  readonly redaction: Redaction;
  readonly resource: ReadableSpan["resource"];
  readonly scope: ReadableSpan["instrumentationScope"];
  /** Takes a span that has ended. */
  readonly ended: (span: RecordedSpan) => void;
  readonly newSpanId: () => string;
}

/** One node's part of one trace. */
export interface Trace {
  isOver: boolean;
  spans: number;
  readonly id: string;
  readonly requestId: string;
  readonly origin: SpanOrigin;
  /** Wall time less monotonic time when it began, so that all of its spans have one clock. */
  readonly originMs: number;
}

export class RecordedSpan implements Span, ReadableSpan {
  readonly trace: Trace;
  readonly id: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly actor: string | null;
  readonly parentSpanContext?: SpanContext;
  readonly attributes: Record<string, string | number | boolean | string[]> = {};
  readonly links = NONE;
  readonly events = NONE;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  droppedAttributesCount = 0;
  status = UNSET;
  readonly #isFirst: boolean;
  readonly #startMs: number;
  #endMs = -1;
  #attributeCount = 0;

  /**
   * @param above null: the trace begins with it
   * @param startedMs of the monotonic clock; null: now
   */
  constructor(trace: Trace, above: RecordedSpan | SpanContext | null, spec: SpanSpec, startedMs: number | null) {
    const isChild = above instanceof RecordedSpan;
    this.trace = trace;
    this.id = trace.origin.newSpanId();
    this.name = spec.name;
    this.kind = KINDS[spec.kind ?? "internal"];
    this.actor = spec.actor ?? (isChild ? above.actor : null);
    this.#isFirst = !isChild;
    if (above !== null) this.parentSpanContext = isChild ? above.spanContext() : above;
    this.#startMs = startedMs ?? trace.origin.clock.monotonicMs();
    if (spec.attributes !== undefined) this.#write(spec.attributes);
  }

  get traceId(): string {
    return this.trace.id;
  }

  get traceparent(): string {
    return `00-${this.trace.id}-${this.id}-01`;
  }

  get logFields(): Readonly<Record<string, string>> {
    const { requestId, id: traceId } = this.trace;
    return { requestId, traceId, spanId: this.id, ...(this.actor === null ? {} : { actor: this.actor }) };
  }

  set(attributes: SpanAttributes): void {
    if (!this.ended) this.#write(attributes);
  }

  end(failure?: unknown): void {
    if (this.ended) return;
    if (failure !== undefined && failure !== null) {
      const { code } = toKennelError(failure);
      this.#write({ "error.type": code });
      this.status = { code: SpanStatusCode.ERROR, message: code }; // O4
    }
    this.#endMs = Math.max(this.#startMs, this.trace.origin.clock.monotonicMs());
    if (this.#isFirst) this.trace.isOver = true; // O2
    this.trace.origin.ended(this);
  }

  get ended(): boolean {
    return this.#endMs >= 0;
  }

  spanContext(): SpanContext {
    return { traceId: this.trace.id, spanId: this.id, traceFlags: TraceFlags.SAMPLED };
  }

  get startTime(): HrTime {
    return toHrTime(this.trace.originMs + this.#startMs);
  }

  get endTime(): HrTime {
    return toHrTime(this.trace.originMs + this.#endMs);
  }

  get duration(): HrTime {
    return toHrTime(this.#endMs - this.#startMs);
  }

  get resource(): ReadableSpan["resource"] {
    return this.trace.origin.resource;
  }

  get instrumentationScope(): ReadableSpan["instrumentationScope"] {
    return this.trace.origin.scope;
  }

  /** O3, O4 */
  #write(attributes: SpanAttributes): void {
    const { redaction } = this.trace.origin;
    const fit = (text: string) => cut(redaction.text(text));
    for (const name in attributes) {
      const value = attributes[name];
      if (value === null || value === undefined) continue;
      if (this.attributes[name] === undefined && ++this.#attributeCount > MAX_ATTRIBUTES) {
        this.#attributeCount = MAX_ATTRIBUTES;
        this.droppedAttributesCount++;
      } else if (typeof value === "string") this.attributes[name] = fit(value);
      else if (typeof value === "number" || typeof value === "boolean") this.attributes[name] = value;
      else this.attributes[name] = value.slice(0, MAX_ATTRIBUTES).map(fit);
    }
  }
}

const cut = (text: string) => (text.length > MAX_VALUE ? text.slice(0, MAX_VALUE) : text);

/** Whole seconds, and nanoseconds beyond them. */
function toHrTime(ms: number): HrTime {
  return [Math.trunc(ms / 1_000), Math.round((ms % 1_000) * 1e6)];
}
