/** A collector that takes traces as OTLP's JSON over HTTP, as a collector of OpenTelemetry does. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: its trace begins with it. */
  readonly parentSpanId: string;
  /** 1 internal, 2 server, 3 client */
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** 0 unset, 2 error */
  readonly status: number;
  /** `service.instance.id` */
  readonly node: string;
}

export interface OtlpReceiver {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** All that was sent, as it came. */
  readonly bodies: readonly string[];
  /** Headers of the last request. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What is answered from now on; 200: the spans are taken. */
  status: number;
  /** Resolves with the spans of a trace once they are as `isWhole` wants them. Rejects after 30 s. */
  trace(isWhole: (spans: readonly ReceivedSpan[]) => boolean, traceId?: string): Promise<readonly ReceivedSpan[]>;
  close(): Promise<void>;
}

interface Wire {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly WireAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}
interface WireAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface WireSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly WireAttribute[];
  readonly status: { readonly code?: number };
}

const WAIT_MS = 30_000;

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: string[] = [];
  const waiting = new Set<() => void>();
  const receiver = { status: 200, headers: {} as OtlpReceiver["headers"] };
  const server: Server = createServer(async (request, response) => {
    const parts: Uint8Array[] = [];
    for await (const part of request) parts.push(part as Uint8Array);
    const body = new TextDecoder().decode(await new Blob(parts as BlobPart[]).arrayBuffer());
    receiver.headers = request.headers;
    const isTaken = request.url === "/v1/traces" && receiver.status === 200;
    if (isTaken) {
      bodies.push(body);
      spans.push(...readSpans(JSON.parse(body) as Wire));
    }
    response.writeHead(isTaken ? 200 : receiver.status, { "content-type": "application/json" }).end("{}");
    for (const look of waiting) look();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(receiver, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bodies,
    trace: (isWhole: (spans: readonly ReceivedSpan[]) => boolean, traceId?: string) =>
      new Promise<readonly ReceivedSpan[]>((resolve, reject) => {
        const limit = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`Not the spans that were waited for: ${JSON.stringify(spans.map(({ name, node }) => `${node} ${name}`))}`));
        }, WAIT_MS);
        const look = () => {
          const found = traceId === undefined ? spans : spans.filter((span) => span.traceId === traceId);
          if (!isWhole(found)) return;
          clearTimeout(limit);
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

function readSpans({ resourceSpans }: Wire): readonly ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const node = String(readAttributes(resource.attributes)["service.instance.id"]);
    return scopeSpans.flatMap((scope) => scope.spans).map((span) => readSpan(span, node));
  });
}

function readSpan(span: WireSpan, node: string): ReceivedSpan {
  return {
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? "",
    kind: span.kind,
    startMs: Number(span.startTimeUnixNano) / 1e6,
    endMs: Number(span.endTimeUnixNano) / 1e6,
    attributes: readAttributes(span.attributes),
    status: span.status.code ?? 0,
    node,
  };
}

function readAttributes(attributes: readonly WireAttribute[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** The spans of one trace as an indented list, each below the one that it belongs to; those whose parent is missing stand first. */
export function drawTrace(spans: readonly ReceivedSpan[]): string {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const below = (parent: string) =>
    spans
      .filter(({ parentSpanId }) => (known.has(parentSpanId) ? parentSpanId : "") === parent)
      .sort((one, other) => one.startMs - other.startMs);
  const draw = (span: ReceivedSpan, depth: number): readonly string[] => [
    `${span.node.padEnd(8)}${"  ".repeat(depth)}${span.name}`,
    ...below(span.spanId).flatMap((next) => draw(next, depth + 1)),
  ];
  return below("")
    .flatMap((root) => draw(root, 0))
    .join("\n");
}
