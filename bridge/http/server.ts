import { DeadlineQueue } from "../../runtime/deadline_queue.ts";
import { ERROR_TABLE, type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { HttpAnswer, HttpRequest } from "../../runtime/http_message.ts";
import type { AuditReason } from "../../telemetry/audit/audit_log.ts";
import { NO_TRACER, type Span, type Tracer, tracedParts } from "../../telemetry/tracing.ts";
import { KeyLimiter, type KeyUse } from "../keys/key_limits.ts";
import { Access, changesOf } from "./access/access.ts";
import { AccessRecord, refusalOf } from "./access/access_record.ts";
import { Door } from "./access/door.ts";
import { guardedParts } from "./access/guarded_parts.ts";
import type { Need } from "./access/route_needs.ts";
import { Admission } from "./admission.ts";
import type { Answer } from "./answer.ts";
import { CrossOrigin } from "./cross_origin.ts";
import { docsRoutes } from "./docs_routes.ts";
import { errorAnswer } from "./error_answer.ts";
import { Exchange } from "./exchange.ts";
import { pageRoutes } from "./page_routes.ts";
import type { BridgeParts, Via } from "./parts.ts";
import { RequestIds } from "./request_ids.ts";
import type { Route } from "./route.ts";
import { Router } from "./router.ts";
import { routesOf } from "./routes.ts";
import { SearchBodies } from "./search_bodies.ts";

export interface Bridge {
  readonly routes: readonly Route[];
  /** Answers one request; never rejects. Those that come over NATS are not counted among HTTP's. */
  answer(request: HttpRequest, via?: Via): HttpAnswer | Promise<HttpAnswer>;
  readonly inFlight: number;
  /** Still serves, and asks clients with each answer to leave this connection. */
  announceDrain(): void;
  /** Refuses new work with `draining`; operations such as `/healthz` are still answered. */
  refuseWork(): void;
  /** Resolves when all work that was admitted has its answer; rejects with the signal's reason. */
  whenIdle(signal: AbortSignal): Promise<void>;
}

export function createBridge(parts: BridgeParts): Bridge {
  const shared = { ...parts, bodies: new SearchBodies() };
  const routes = routesOf(shared);
  const all = [...routes, ...docsRoutes(routes, parts), ...pageRoutes(parts.page, parts)];
  const limiter = new KeyLimiter(parts.keyLimits, (keyId, kind) => parts.accessMetrics.limited(keyId, kind));
  const access = new Access(parts.keys, limiter, routes, (grant) => routesOf(guardedParts(shared, grant)));
  const server = new Server(parts, all, access);
  return {
    routes: all,
    answer: (request, via = "http") => server.answer(request, via),
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

interface RouteCall {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** A request on its way through the server. */
interface Call extends RouteCall {
  /** What the route asks of a key; null: nothing. */
  readonly need: Need | null;
  readonly request: HttpRequest;
  readonly requestId: string;
  readonly startedMs: number;
  readonly via: Via;
  /** Null: it is not traced, or was not let in. */
  span: Span | null;
  failure: KennelError | null;
  exchange: Exchange | null;
  isAdmitted: boolean;
  /** Of the caller's key; null: none was asked for, or it was not good. */
  keyId: string | null;
  /** Null: nothing limits the key, or there is none. */
  keyUse: KeyUse | null;
  /** What it was not let through for. */
  refusal: AuditReason | null;
}

class Server {
  readonly admission: Admission;
  readonly #parts: BridgeParts;
  readonly #requestIds: RequestIds;
  readonly #crossOrigin: CrossOrigin;
  readonly #deadlines: DeadlineQueue;
  readonly #router: Router;
  readonly #access: Access;
  readonly #door: Door;
  readonly #record: AccessRecord;
  readonly #tracer: Tracer;

  constructor(parts: BridgeParts, routes: readonly Route[], access: Access) {
    this.#parts = parts;
    this.#access = access;
    this.#door = new Door({ ...parts.hosts, corsOrigins: parts.corsOrigins });
    this.#record = new AccessRecord(parts.audit, parts.accessMetrics);
    this.#tracer = parts.tracer ?? NO_TRACER;
    this.#deadlines = new DeadlineQueue(parts.clock);
    this.#router = new Router(routes);
    this.admission = new Admission(parts.limits, parts.metrics);
    this.#requestIds = new RequestIds(parts.random);
    this.#crossOrigin = new CrossOrigin(parts.corsOrigins);
  }

  /** At once where the route's answer is: what need not wait costs no promise. */
  answer(request: HttpRequest, via: Via): HttpAnswer | Promise<HttpAnswer> {
    const startedMs = this.#parts.clock.monotonicMs();
    const { route, params } = this.#find(request);
    const requestId = this.#requestIds.of(request);
    const call: Call = {
      route,
      need: this.#access.needOf(route),
      params,
      request,
      requestId,
      startedMs,
      via,
      span: null,
      failure: null,
      exchange: null,
      isAdmitted: false,
      keyId: null,
      keyUse: null,
      refusal: null,
    };
    const failed = (thrown: unknown) => {
      call.failure = this.#toError(thrown, route.path, call.requestId);
      call.refusal = refusalOf(call.failure);
      return errorAnswer(call.failure);
    };
    let answer: Answer | Promise<Answer>;
    try {
      const permitted = this.#letIn(call); // H4
      // Not before: strangers would fill the queue of spans, since a caller's own header decides what is traced.
      call.span = this.#tracer.isOn ? this.#begin(request, requestId, route, via) : null;
      answer = call.span === null ? this.#handle(call, permitted) : this.#tracer.within(call.span, () => this.#handle(call, permitted));
    } catch (thrown) {
      answer = failed(thrown);
    }
    if (!(answer instanceof Promise)) return this.#end(call, answer);
    return answer.then(
      (settled) => this.#end(call, settled),
      (thrown) => this.#end(call, failed(thrown)),
    );
  }

  /** OpenTelemetry's conventions for HTTP servers; the path itself may hold what a caller would keep to itself. */
  #begin(request: HttpRequest, requestId: string, route: Route, via: Via): Span | null {
    if (route.kind !== "work") return null;
    const spec = { name: `${route.method} ${route.path}`, kind: "server" } as const;
    const span = this.#tracer.begin(request.headers.get("traceparent"), requestId, spec);
    // Not with the spec: it is made for all requests, of which few are traced.
    span?.set({
      "http.request.method": request.method,
      "http.route": route.path,
      "network.protocol.name": via,
      "kennel.request_id": requestId,
    });
    return span;
  }

  /** What a caller got wrong is an answer, no failure of the server's span. */
  #endSpan(span: Span, { status, stream }: Answer, failure: KennelError | null): void {
    span.set({ "http.response.status_code": status, ...(failure === null ? {} : { "error.type": failure.code }) });
    if (stream === undefined) span.end(status >= 500 ? failure : null); // a stream's ends with its last part
  }

  #isLogged(): boolean {
    const { loggedShare = 0, random } = this.#parts;
    return loggedShare > 0 && random.next() < loggedShare;
  }

  #find({ method, target }: HttpRequest): RouteCall {
    const found = this.#router.find(method, target);
    if (found.kind === "route") return found;
    return { route: found.kind === "unknown" ? this.#unknownRoute() : this.#otherMethodRoute(found.path, found.allow), params: {} };
  }

  /** @param route as the caller may use it */
  #handle(call: Call, route: Route): Answer | Promise<Answer> {
    const { params, request, requestId, startedMs } = call;
    if (route.kind === "work") {
      this.admission.enter();
      call.isAdmitted = true;
    }
    refuseMalformedPath(request.target);
    const exchange = new Exchange(request, requestId, route, params, {
      startedMs,
      clock: this.#parts.clock,
      deadlines: this.#deadlines,
      admission: this.admission,
      maxTimeoutMs: this.#parts.limits.maxTimeoutMs,
      traceparent: call.span?.traceparent ?? null,
    });
    call.exchange = exchange;
    const answer = route.handle(exchange);
    return answer instanceof Promise ? exchange.deadline.race(answer) : answer; // H2
  }

  /** The route as the caller may use it. Throws `unauthorized`, `forbidden`, `overloaded`. */
  #letIn(call: Call): Route {
    const { route, need, request, via, startedMs } = call;
    if (via === "http") this.#door.check(request, route.path);
    const caller = this.#access.identify(need, request);
    if (caller !== null) {
      call.keyId = caller.keyId;
      call.keyUse = this.#access.enter(caller, startedMs);
    }
    return this.#access.permit(route, need, caller, request);
  }

  /** Lets go of what the request held, puts on its answer what every answer has, and writes it down. */
  #end(call: Call, answer: Answer): HttpAnswer {
    const { stream } = answer;
    if (stream !== undefined) return { ...this.#finish(call, answer), stream: this.#releasing(call, stream) };
    this.#release(call);
    return this.#finish(call, answer);
  }

  async *#releasing(call: Call, stream: AsyncIterable<string>): AsyncGenerator<string> {
    try {
      yield* call.span === null ? stream : tracedParts(this.#tracer, call.span, stream);
    } finally {
      this.#release(call);
    }
  }

  #release(call: Call): void {
    call.exchange?.release(); // H3
    call.keyUse?.leave();
    if (call.isAdmitted) this.admission.leave();
  }

  #finish(call: Call, answer: Answer): HttpAnswer {
    const { route, request, requestId, startedMs, via, keyId } = call;
    const { reason, tool } = call.exchange?.toolRefusal ?? { reason: null, tool: null };
    const refusal = call.refusal ?? reason;
    const { clock, metrics, logger } = this.#parts;
    const durationMs = clock.monotonicMs() - startedMs;
    const { status, encoding } = answer;
    const { method } = request;
    if (via === "http") {
      const { span } = call;
      const trace = span === null ? null : { id: span.traceId, atMs: clock.wallMs() };
      metrics.answered({ route: route.path, method, status, durationMs, trace });
    }
    if (call.span !== null) this.#endSpan(call.span, answer, call.failure);
    const level = status >= 500 ? "warn" : status >= 400 || this.#isLogged() ? "info" : "debug";
    if (logger.isLevelEnabled(level)) {
      const ms = Math.round(durationMs * 100) / 100;
      logger[level](
        { ...call.span?.logFields, requestId, via, route: route.path, method, status, ms, ...(keyId === null ? {} : { keyId }) },
        "Answered",
      );
    }
    const changes = changesOf(call.need);
    if (changes !== null || refusal !== null)
      this.#record.ended({ request, requestId, via, route: route.path, keyId, status, changes, refusal, tool }); // H5
    const headers: Record<string, string> = { ...SECURITY_HEADERS, ...answer.headers, "x-request-id": requestId };
    if (this.admission.isLeaving) headers.connection = "close";
    Object.assign(headers, this.#crossOrigin.headersFor(request, headers.vary));
    const body = method === "HEAD" ? null : answer.body;
    return encoding === undefined ? { status, headers, body } : { status, headers, body, encoding };
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
function refuseMalformedPath(target: string): void {
  if (!target.includes("%")) return;
  const end = target.indexOf("?");
  try {
    decodeURIComponent(end === -1 ? target : target.slice(0, end));
  } catch (cause) {
    throw kennelError("invalid_request", { message: "The path is not valid percent-encoded UTF-8", param: "path", cause });
  }
}
