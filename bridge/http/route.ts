/** A route as data: what the server registers, what the OpenAPI document says, and what a test compares them by. */
import type { z } from "zod";
import type { ErrorCode } from "../../runtime/errors.ts";
import type { Answer } from "./answer.ts";
import type { AnswerHeaderName, RequestHeaderName } from "./described_headers.ts";
import type { Exchange } from "./exchange.ts";

export type Method = "GET" | "PUT" | "POST" | "DELETE";

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly schema: z.ZodType;
  readonly example?: string | number;
}

export interface RequestContent {
  /** By media type; for files and lines the schema is of one part or line. */
  readonly [mediaType: string]: { readonly schema: z.ZodType; readonly example: unknown };
}

export interface AnswerContent {
  readonly description: string;
  /** Null: there is no body. */
  readonly mediaType: string | null;
  readonly schema: z.ZodType;
  readonly example: unknown;
  /** The body is a stream of events instead, where the request asks for one. */
  readonly mayStream?: true;
  /** Beyond those that every answer has. */
  readonly headers?: readonly AnswerHeaderName[];
}

export interface RouteDescription {
  /** Unique; what generated clients call the operation. */
  readonly operationId: string;
  readonly summary: string;
  readonly tag: "collections" | "documents" | "jobs" | "search" | "chat" | "aliases" | "openai" | "cohere" | "mcp" | "dify" | "operations";
  readonly parameters: readonly Parameter[];
  /** Headers that are read beyond those that every route of its kind reads. */
  readonly headers?: readonly RequestHeaderName[];
  readonly request: { readonly isRequired: boolean; readonly content: RequestContent } | null;
  readonly answers: Readonly<Record<number, AnswerContent>>;
  /** Beyond those that every route may answer. */
  readonly errors: readonly ErrorCode[];
}

export interface Route {
  readonly method: Method;
  /** In OpenAPI's syntax: `/v1/collections/{collection}`. Also the route's name in metrics and logs. */
  readonly path: string;
  /** `work` counts against the limits and ends with a drain; `operation` answers always. */
  readonly kind: "work" | "operation";
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
  /** Null: a page or a file, which the OpenAPI document leaves out. */
  readonly description: RouteDescription | null;
  readonly handle: (exchange: Exchange) => Promise<Answer> | Answer;
}
