/** Headers that many routes read or answer with, as the OpenAPI document describes them; a test compares them with the code. */
import { z } from "zod";
import { needOf } from "./access/route_needs.ts";
import type { Parameter, Route } from "./route.ts";

function header(name: string, description: string, schema: z.ZodType = z.string()): Parameter {
  return { name, in: "header", description, schema };
}

/** By the name under which operations refer to them. */
export const REQUEST_HEADERS = {
  RequestTimeout: header(
    "X-Request-Timeout-Ms",
    "Milliseconds until the answer is of no use any more; at most http.maxTimeoutMs, and the smaller one holds where the body has one",
    z.int().min(1).max(999_999_999),
  ),
  RequestId: header(
    "X-Request-Id",
    "The caller's own id of the request, 1 to 128 of A-Z a-z 0-9 . _ : -; one of another form is passed over, and a new one made",
  ),
  TraceParent: header("traceparent", "W3C trace context that the request belongs to; one of another form is passed over"),
  Principals: header(
    "X-Kennel-Principals",
    "On whose behalf a key that may delegate asks: at most 256 principals of at most 256 characters, with commas, each percent-encoded where it has one; empty: nobody. It replaces the key's principals. A key that may not delegate, or not for these, is refused (403), one of another form or sent twice, too (400)",
    z.string().regex(/^([^%]|%[0-9A-Fa-f]{2})*$/),
  ),
  CacheControl: header("Cache-Control", "With no-cache or no-store the answer is worked out anew"),
  McpProtocolVersion: header("MCP-Protocol-Version", "The protocol's version, by which it is told with or without handshake"),
  McpMethod: header("MCP-Method", "The message's method, where the protocol's version asks for it"),
  McpName: header("MCP-Name", "The tool's name, where the protocol's version asks for it"),
  ForwardedProto: header("X-Forwarded-Proto", "https: addresses of documents in the answer begin with it, for a node behind a proxy"),
} as const satisfies Record<string, Parameter>;

export type RequestHeaderName = keyof typeof REQUEST_HEADERS;

/** What every answer, or those of a kind, may have. */
export const ANSWER_HEADERS = {
  "X-Request-Id": { description: "The request's id: the caller's own or a new one", schema: { type: "string" } },
  "Retry-After": { description: "Seconds after which a retry makes sense", schema: { type: "integer" } },
  "Retry-After-Ms": { description: "The same in milliseconds", schema: { type: "integer" } },
  "WWW-Authenticate": { description: "Bearer: a key is asked for", schema: { type: "string" } },
  Location: {
    description: "The path of what was made: a collection, or the job that says how far it has come",
    schema: { type: "string" },
  },
  "X-Kennel-Mode": {
    description: "The mode that the answer was worked out in: full, or what is left while a service is away",
    schema: { type: "string" },
  },
  "X-Kennel-Degradations": {
    description: "What the answer lacks, with commas: stage, reason and service of each",
    schema: { type: "string" },
  },
  "OpenAI-Poll-After-Ms": { description: "Milliseconds after which to look again", schema: { type: "integer" } },
} as const;

export type AnswerHeaderName = keyof typeof ANSWER_HEADERS;

/** What is read of any request to the route, beside what its own description has. */
export function requestHeadersOf(route: Route): readonly RequestHeaderName[] {
  const shared: RequestHeaderName[] = route.kind === "work" ? ["RequestTimeout", "RequestId", "TraceParent"] : ["RequestId"];
  if (needOf(route) !== "open") shared.push("Principals");
  return [...shared, ...(route.description?.headers ?? [])];
}
