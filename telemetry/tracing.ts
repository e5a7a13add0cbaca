/**
 * Traces as the floors above know them: a port, and what stands for it while tracing is off, which costs one look at a field.
 * `open_telemetry.ts` is the one place that knows the library.
 */

export type SpanValue = string | number | boolean | readonly string[];
export type SpanAttributes = Readonly<Record<string, SpanValue | null>>;

export interface SpanSpec {
  /** Few values: what is done and by what kind of thing, never to which. */
  readonly name: string;
  /** @default "internal" */
  readonly kind?: "internal" | "server" | "client";
  /** Those that are null are left out; texts are made fit as a log's are. */
  readonly attributes?: SpanAttributes;
  /** The actor that works under it, for log lines. @default that of the span above */
  readonly actor?: string;
}

/** Something that took time, as part of one trace. */
export interface Span {
  /** W3C, for whoever is asked under it elsewhere; its trace is sampled. */
  readonly traceparent: string;
  readonly traceId: string;
  /** Ids of request, trace and span, and the actor's path, as log lines carry them. */
  readonly logFields: Readonly<Record<string, string>>;
  set(attributes: SpanAttributes): void;
  /** The first call counts. @param failure what ended it; only its code is written down */
  end(failure?: unknown): void;
}

export interface TracerStats {
  readonly exported: number;
  /** Found the queue full. */
  readonly dropped: number;
  /** The collector took them not, or not in time. */
  readonly failed: number;
}

export interface Tracer {
  readonly isOn: boolean;
  /** The span that this code runs under; null: it is not traced. */
  active(): Span | null;
  /**
   * Begins this node's part of a trace: one that a caller has begun and sampled goes on, one that it left out stays so, and of
   * the others the configured share is begun. Null: not traced.
   */
  begin(traceparent: string | null, requestId: string, spec: SpanSpec): Span | null;
  /** The same for what another node has asked: a trace goes on, none begins. */
  resume(traceparent: string | null, requestId: string, spec: SpanSpec): Span | null;
  /** A span below the active one. Null: not traced, or its trace has ended or has as many spans as it may have. */
  child(spec: SpanSpec): Span | null;
  /** A span below the active one that ends now and began at `startedMs` of the monotonic clock. */
  record(name: string, startedMs: number): void;
  /** Runs `work`, and all that it starts, under `span`; null: under none. */
  within<Result>(span: Span | null, work: () => Result): Result;
  readonly stats: TracerStats;
  /** Sends what waits, within `limitMs`. Never rejects. */
  stop(limitMs: number): Promise<void>;
}

export const NO_TRACER: Tracer = {
  isOn: false,
  active: () => null,
  begin: () => null,
  resume: () => null,
  child: () => null,
  record: () => {},
  within: (_span, work) => work(),
  stats: { exported: 0, dropped: 0, failed: 0 },
  stop: async () => {},
};

/** Runs `work` under a span of its own that ends with it; without one where nothing is traced. */
export function traced<Result>(tracer: Tracer, spec: SpanSpec, work: (span: Span | null) => Result): Result {
  if (tracer.active() === null) return work(null);
  const span = tracer.child(spec);
  if (span === null) return work(null);
  return endWith(span, () => tracer.within(span, () => work(span)));
}

/** Ends `span` when `work`, or the promise that it gives, has ended. */
function endWith<Result>(span: Span, work: () => Result): Result {
  let result: Result;
  try {
    result = work();
  } catch (thrown) {
    span.end(thrown);
    throw thrown;
  }
  if (!(result instanceof Promise)) {
    span.end();
    return result;
  }
  return result.then(
    (value) => {
      span.end();
      return value;
    },
    (thrown) => {
      span.end(thrown);
      throw thrown;
    },
  ) as Result;
}

/** The parts of an iteration, each asked for under `span`; ends the span with the last of them. */
export async function* tracedParts<Part>(
  tracer: Tracer,
  span: Span,
  parts: AsyncIterable<Part>,
  onPart: (part: Part) => void = () => {},
): AsyncGenerator<Part> {
  const reading = parts[Symbol.asyncIterator]();
  let failure: unknown;
  let isOver = false;
  try {
    for (;;) {
      const next = await tracer.within(span, () => reading.next());
      isOver = next.done === true;
      if (isOver) return;
      onPart(next.value);
      yield next.value;
    }
  } catch (thrown) {
    failure = thrown;
    isOver = true;
    throw thrown;
  } finally {
    if (!isOver) await reading.return?.(); // whoever reads has left early
    span.end(failure);
  }
}

/**
 * A port whose calls are spans, named methods alone: `search_vector milvus`. What is not traced goes straight through.
 * @param attributes of every span; `db.operation.name` is added
 */
export function tracedPort<Port extends object>(
  tracer: Tracer,
  port: Port,
  system: string,
  methods: readonly (keyof Port & string)[],
  attributes: SpanAttributes,
): Port {
  const calls = new Map<string, unknown>();
  for (const method of methods) {
    const own = port[method] as (...given: unknown[]) => unknown;
    const operation = method.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const spec: SpanSpec = {
      name: `${operation} ${system}`,
      kind: "client",
      attributes: { ...attributes, "db.operation.name": operation },
    };
    calls.set(method, (...given: unknown[]) => traced(tracer, spec, () => own.apply(port, given)));
  }
  const bound = new Map<string | symbol, unknown>();
  return new Proxy(port, {
    get(target, name) {
      const call = typeof name === "string" ? calls.get(name) : undefined;
      if (call !== undefined) return call;
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      // Private fields are the port's alone, so its methods are called on it.
      const known = bound.get(name) ?? member.bind(target);
      bound.set(name, known);
      return known;
    },
  });
}
