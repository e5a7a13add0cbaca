/** Which requests are told of, to whom: what changes something, and what was refused. */
import type { KennelError } from "../../../runtime/errors.ts";
import type { HttpRequest } from "../../../runtime/http_message.ts";
import type { AuditLog, AuditReason, RefusingTool } from "../../../telemetry/audit/audit_log.ts";
import type { AccessMetrics } from "../collaborators.ts";

export interface EndedRequest {
  readonly request: HttpRequest;
  readonly requestId: string;
  readonly via: "http" | "nats";
  /** The route's pattern. */
  readonly route: string;
  readonly keyId: string | null;
  readonly status: number;
  /** What the route is for beside reading. */
  readonly changes: "write" | "admin" | null;
  readonly refusal: AuditReason | null;
  /** The tool that refused it; null: no tool did. */
  readonly tool: RefusingTool | null;
}

export class AccessRecord {
  readonly #audit: AuditLog;
  readonly #metrics: AccessMetrics;

  constructor(audit: AuditLog, metrics: AccessMetrics) {
    this.#audit = audit;
    this.#metrics = metrics;
  }

  ended({ request, requestId, via, route, keyId, status, changes, refusal, tool }: EndedRequest): void {
    if (refusal !== null) this.#metrics.refused(refusal);
    this.#audit.request({
      event: changes ?? "refused",
      keyId,
      via,
      peer: request.peer,
      method: request.method,
      route,
      target: request.target,
      status,
      outcome: refusal !== null ? "refused" : status < 400 ? "done" : "failed",
      reason: refusal,
      requestId,
      ...(tool === null ? {} : { tool }),
    });
  }
}

/** What the error keeps its caller out for; null: it does not. */
export function refusalOf({ code, param }: KennelError): AuditReason | null {
  if (code === "unauthorized") return "key";
  if (code === "overloaded") return param === "Authorization" ? "limit" : null;
  if (code !== "forbidden") return null;
  return param === "Host" ? "host" : param === "Origin" ? "origin" : "grant";
}
