import { kennelError } from "../../../runtime/errors.ts";
import type { HttpRequest } from "../../../runtime/http_message.ts";

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Refuses a web page that is neither of this machine nor of an allowed origin, as the protocol demands: a page whose name
 * was made to lead here (DNS rebinding) would otherwise use the tools. What is no page sends no origin. Throws `forbidden`.
 */
export function refuseForeignOrigin(request: HttpRequest, corsOrigins: readonly string[]): void {
  const origin = request.headers.get("origin");
  if (origin === null || corsOrigins.includes("*") || corsOrigins.includes(origin)) return;
  const host = URL.parse(origin)?.hostname;
  if (host !== undefined && LOOPBACK.has(host)) return;
  throw kennelError("forbidden", {
    param: "Origin",
    message: "Pages of this origin may not use the tools; http.corsOrigins names those that may",
  });
}
