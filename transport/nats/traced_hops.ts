/** The way from node to node as spans: one for the asker, and one below it, on the other node, for who answers. */
import { type SpanSpec, type Tracer, traced, tracedParts } from "../../telemetry/tracing.ts";
import type { Handler, MessageHeaders, StreamHandler } from "../transport.ts";

/** @param ask is given the headers to send: with the asking span's `traceparent`, or as they were where nothing is traced */
export function askedAcross<Answer>(
  tracer: Tracer,
  node: string,
  endpoint: string,
  headers: MessageHeaders,
  ask: (headers: MessageHeaders) => Promise<Answer>,
): Promise<Answer> {
  return traced(tracer, askSpec(node, endpoint), (span) => ask(span === null ? headers : { ...headers, traceparent: span.traceparent }));
}

export function streamedAcross<Chunk>(
  tracer: Tracer,
  node: string,
  endpoint: string,
  headers: MessageHeaders,
  ask: (headers: MessageHeaders) => AsyncIterable<Chunk>,
): AsyncIterable<Chunk> {
  const span = tracer.active() === null ? null : tracer.child(askSpec(node, endpoint));
  return span === null ? ask(headers) : tracedParts(tracer, span, ask({ ...headers, traceparent: span.traceparent }));
}

export function answeredHere<Request, Answer>(
  tracer: Tracer,
  endpoint: string,
  handler: Handler<Request, Answer>,
): Handler<Request, Answer> {
  if (!tracer.isOn) return handler;
  return async (request, headers, signal) => {
    const span = tracer.resume(headers.traceparent, headers.requestId, answerSpec(endpoint));
    if (span === null) return handler(request, headers, signal);
    try {
      const answer = await tracer.within(span, () => handler(request, headers, signal));
      span.end();
      return answer;
    } catch (thrown) {
      span.end(thrown);
      throw thrown;
    }
  };
}

export function streamedHere<Request, Chunk>(
  tracer: Tracer,
  endpoint: string,
  handler: StreamHandler<Request, Chunk>,
): StreamHandler<Request, Chunk> {
  if (!tracer.isOn) return handler;
  return (request, headers, signal) => {
    const span = tracer.resume(headers.traceparent, headers.requestId, answerSpec(endpoint));
    const chunks = tracer.within(span, () => handler(request, headers, signal));
    return span === null ? chunks : tracedParts(tracer, span, chunks);
  };
}

const askSpec = (node: string, endpoint: string): SpanSpec => ({
  name: `request ${endpoint}`,
  kind: "client",
  attributes: {
    "messaging.system": "nats",
    "messaging.operation.name": "request",
    "messaging.destination.template": `kennel.v1.node.{node}.${endpoint}`,
    "kennel.node.asked": node,
  },
});

const answerSpec = (endpoint: string): SpanSpec => ({
  name: `answer ${endpoint}`,
  kind: "server",
  attributes: {
    "messaging.system": "nats",
    "messaging.operation.name": "process",
    "messaging.destination.template": `kennel.v1.node.{node}.${endpoint}`,
  },
});
