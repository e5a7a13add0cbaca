/**
 * The HTTP bridge: from a request to a handed-over question and back, for every route.
 *
 * Invariants:
 *   H1. Every request gets exactly one answer in the documented shape, with its request id; what a route throws becomes
 *       the row of the error table, and what is no `KennelError` is `internal` and logged with its cause.
 *   H2. Every request has a deadline, and an answer goes out when it has passed, whatever the rest of the node does.
 *   H3. What was admitted is released, and what was reserved given back, once, however the request ends.
 */
import { type Context, Hono } from "hono";
import type { Clock } from "../../runtime/clock.ts";
import { ERROR_TABLE, type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { Transport } from "../../transport/transport.ts";
import type { CollectionChoices, CollectionDefaults } from "../schema/collections.ts";
import { Admission } from "./admission.ts";
import { aliasRoutes } from "./alias_routes.ts";
import type { Answer } from "./answer.ts";
import type {
  CollectionCatalog,
  DocumentIngest,
  DocumentReader,
  HttpMetrics,
  MetricsExposition,
  NodeStatusSource,
  PageFiles,
  RetrieverPool,
} from "./collaborators.ts";
import { collectionRoutes } from "./collection_routes.ts";
import { CrossOrigin } from "./cross_origin.ts";
import { docsRoutes } from "./docs_routes.ts";
import { documentRoutes } from "./document_routes.ts";
import { errorAnswer } from "./error_answer.ts";
import { Exchange } from "./exchange.ts";
import { jobRoutes } from "./job_routes.ts";
import type { BridgeLimits } from "./limits.ts";
import { operationRoutes } from "./operation_routes.ts";
import { pageRoutes } from "./page_routes.ts";
import { RequestIds } from "./request_ids.ts";
import type { Method, Route } from "./route.ts";
import { searchRoutes } from "./search_routes.ts";

export interface BridgeParts {
  readonly transport: Transport;
  readonly catalog: CollectionCatalog;
  readonly documents: DocumentReader;
  readonly ingest: DocumentIngest;
  readonly registry: RetrieverPool;
  readonly status: NodeStatusSource;
  readonly metrics: HttpMetrics;
  readonly exposition: MetricsExposition;
  /** Null: there is no page at `/`. */
  readonly page: PageFiles | null;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: BridgeLimits;
  /** Settings of collections that leave them out. */
  readonly defaults: CollectionDefaults;
  /** What those settings may name. */
  readonly choices: CollectionChoices;
  /** Origins whose pages may call the API; `*`: all. */
  readonly corsOrigins: readonly string[];
  /** Kennel's version, for the OpenAPI document. */
  readonly version: string;
}

export interface Bridge {
  readonly routes: readonly Route[];
  /** Answers one request; never rejects. */
  fetch(request: Request): Response | Promise<Response>;
  readonly inFlight: number;
  /** Still serves, and asks clients with each answer to leave this connection. */
  announceDrain(): void;
  /** Refuses new work with `draining`; operations such as `/healthz` are still answered. */
  refuseWork(): void;
  /** Resolves when all work that was admitted has its answer; rejects with the signal's reason. */
  whenIdle(signal: AbortSignal): Promise<void>;
}

export function createBridge(parts: BridgeParts): Bridge {
  const routes: readonly Route[] = [
    ...collectionRoutes(parts),
    ...documentRoutes(parts),
    ...jobRoutes(parts),
    ...searchRoutes(parts),
    ...aliasRoutes(parts),
    ...operationRoutes(parts),
  ];
  const all = [...routes, ...docsRoutes(routes, parts), ...pageRoutes(parts.page, parts)];
  const server = new Server(parts);
  const app = server.register(all);
  return {
    routes: all,
    fetch: (request) => app.fetch(request),
    get inFlight() {
      return server.admission.inFlight;
    },
    announceDrain: () => server.admission.announce(),
    refuseWork: () => server.admission.close(),
    whenIdle: (signal) => server.admission.whenEmpty(signal),
  };
}

const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
} as const;

class Server {
  readonly admission: Admission;
  readonly #parts: BridgeParts;
  readonly #requestIds: RequestIds;
  readonly #crossOrigin: CrossOrigin;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    this.admission = new Admission(parts.limits, parts.metrics);
    this.#requestIds = new RequestIds(parts.random);
    this.#crossOrigin = new CrossOrigin(parts.corsOrigins);
  }

  register(routes: readonly Route[]): Hono {
    const app = new Hono();
    for (const route of routes) app.on(route.method, honoPath(route.path), (context) => this.#serve(route, context));
    for (const [path, methods] of methodsByPath(routes)) {
      const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
      app.all(honoPath(path), (context) => this.#serve(this.#otherMethodRoute(path, allow), context));
    }
    app.notFound((context) => this.#serve(this.#unknownRoute(), context));
    app.onError((thrown, context) =>
      this.#finish(this.#unknownRoute(), context.req.raw, "", errorAnswer(this.#toError(thrown, "", "")), null),
    );
    return app;
  }

  async #serve(route: Route, context: Context): Promise<Response> {
    const request = context.req.raw;
    const requestId = this.#requestIds.of(request);
    const startedMs = this.#parts.clock.monotonicMs();
    const answer = await this.#answer(route, context, requestId);
    return this.#finish(route, request, requestId, answer, startedMs);
  }

  async #answer(route: Route, context: Context, requestId: string): Promise<Answer> {
    const isWork = route.kind === "work";
    let exchange: Exchange | null = null;
    let isAdmitted = false;
    try {
      if (isWork) this.admission.enter();
      isAdmitted = isWork;
      refuseMalformedPath(context.req.raw.url);
      exchange = new Exchange(context.req.raw, requestId, route, context.req.param(), {
        clock: this.#parts.clock,
        admission: this.admission,
        maxTimeoutMs: this.#parts.limits.maxTimeoutMs,
      });
      const answer = route.handle(exchange);
      return answer instanceof Promise ? await exchange.deadline.race(answer) : answer; // H2
    } catch (thrown) {
      return errorAnswer(this.#toError(thrown, route.path, requestId));
    } finally {
      exchange?.release(); // H3
      if (isAdmitted) this.admission.leave();
    }
  }

  /** Puts on an answer what every answer has, and writes it down. */
  #finish(route: Route, request: Request, requestId: string, answer: Answer, startedMs: number | null): Response {
    const { clock, metrics, logger } = this.#parts;
    const durationMs = startedMs === null ? 0 : clock.monotonicMs() - startedMs;
    const { status } = answer;
    metrics.answered({ route: route.path, method: request.method, status, durationMs });
    const level = status >= 500 ? "warn" : status >= 400 ? "info" : "debug";
    if (logger.isLevelEnabled(level)) {
      logger[level]({ requestId, route: route.path, method: request.method, status, ms: Math.round(durationMs * 100) / 100 }, "Answered");
    }
    return new Response(answer.body, {
      status,
      headers: {
        ...SECURITY_HEADERS,
        ...answer.headers,
        "x-request-id": requestId,
        ...(this.admission.isLeaving ? { connection: "close" } : null),
        ...this.#crossOrigin.headersFor(request),
      },
    });
  }

  #toError(thrown: unknown, route: string, requestId: string): KennelError {
    const error = toKennelError(thrown);
    if (error.code === "internal")
      this.#parts.logger.error({ requestId, route, err: error.cause ?? error }, "A request failed inside the server"); // H1
    return error;
  }

  #unknownRoute(): Route {
    return this.#bareRoute("unknown", () => {
      throw kennelError("not_found", { message: "There is no such route; /openapi.json lists all" });
    });
  }

  /** `OPTIONS`, or a method that the path does not take. */
  #otherMethodRoute(path: string, allow: string): Route {
    return this.#bareRoute(path, ({ request }) => {
      const headers = { allow };
      if (request.method === "OPTIONS")
        return { status: 204, body: null, headers: { ...headers, ...this.#crossOrigin.preflight(request, allow) } };
      return errorAnswer(
        kennelError("method_not_allowed", { message: `${ERROR_TABLE.method_not_allowed.say}; allowed: ${allow}` }),
        headers,
      );
    });
  }

  #bareRoute(path: string, handle: Route["handle"]): Route {
    const { limits } = this.#parts;
    return { method: "GET", path, kind: "operation", maxBodyBytes: 0, timeoutMs: limits.defaultTimeoutMs, description: null, handle };
  }
}

/** A percent sign that starts no escape: Hono would hand it over as it is, and a name would mean two things. */
function refuseMalformedPath(url: string): void {
  if (!url.includes("%")) return;
  const end = url.indexOf("?");
  try {
    decodeURIComponent(end === -1 ? url : url.slice(0, end));
  } catch (cause) {
    throw kennelError("invalid_request", { message: "The path is not valid percent-encoded UTF-8", param: "path", cause });
  }
}

function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

function methodsByPath(routes: readonly Route[]): Map<string, readonly Method[]> {
  const methods = new Map<string, readonly Method[]>();
  for (const { path, method } of routes) methods.set(path, [...(methods.get(path) ?? []), method]);
  return methods;
}
