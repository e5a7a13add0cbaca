import { z } from "zod";
import { KennelError } from "../../../runtime/errors.ts";
import { type McpFailure, mcpAnswerSchema, mcpFailure, mcpRequestSchema } from "../../schema/mcp.ts";
import { type Answer, JSON_TYPE, json } from "../answer.ts";
import { jsonAnswer } from "../descriptions.ts";
import type { Exchange } from "../exchange.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Route } from "../route.ts";
import type { McpParts } from "./mcp_server.ts";
import { refuseForeignOrigin } from "./origin.ts";

interface Parts extends McpParts {
  readonly limits: BridgeLimits;
  readonly corsOrigins: readonly string[];
}

const EXAMPLE = {
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "search", arguments: { query: "what keeps retrievers warm?" } },
};
const RESULT = { jsonrpc: "2.0", id: 1, result: { content: [{ type: "text", text: "{}" }] } };

/** What the protocol's own answers may be sent with; any other refusal of the SDK goes out as 400. */
const STATUSES: ReadonlySet<number> = new Set([200, 202, 400, 404]);

/**
 * `POST /mcp`: one JSON-RPC message, one answer in JSON. There are no sessions, no streams and no batches, so any node
 * answers any message.
 */
export function mcpRoutes(parts: Parts): readonly Route[] {
  const { limits, corsOrigins } = parts;
  const route: Route = {
    method: "POST",
    path: "/mcp",
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "mcp",
      summary:
        "The Model Context Protocol, with and without handshake (the header MCP-Protocol-Version says which): tools search and fetch",
      tag: "mcp",
      parameters: [],
      headers: ["McpProtocolVersion", "McpMethod", "McpName", "ForwardedProto"],
      request: { isRequired: true, content: { [JSON_TYPE]: { schema: mcpRequestSchema, example: EXAMPLE } } },
      answers: {
        200: jsonAnswer("The result, or an error of the protocol", mcpAnswerSchema, RESULT),
        202: { description: "A notification was taken; there is no body", mediaType: null, schema: z.null(), example: null },
        400: jsonAnswer("The message is not one of the protocol", mcpAnswerSchema, mcpFailure(-32600, "Invalid Request")),
        404: jsonAnswer("There is no such method", mcpAnswerSchema, mcpFailure(-32601, "Method not found")),
      },
      errors: ["payload_too_large", "unsupported_media_type"],
    },
    async handle(exchange) {
      refuseForeignOrigin(exchange.request, corsOrigins);
      let message: unknown;
      try {
        message = await exchange.json();
      } catch (thrown) {
        if (thrown instanceof KennelError && thrown.code === "invalid_request") return failure(400, -32700, thrown.message);
        throw thrown;
      }
      return answer(parts, exchange, message);
    },
  };
  return [route];
}

async function answer(parts: Parts, exchange: Exchange, message: unknown): Promise<Answer> {
  const checked = mcpRequestSchema.safeParse(message);
  if (!checked.success)
    return failure(400, -32600, "The body is not one JSON-RPC message that asks or tells something; batches are not taken");
  const { id, method } = checked.data;
  if (method === "subscriptions/listen") return failure(404, -32601, "There is nothing to subscribe to", id);
  const { answerMcp } = await import("./mcp_server.ts"); // a node that no agent asks does not load the SDK
  const response = await answerMcp(parts, exchange, message as object);
  const body = await response.text();
  const status = STATUSES.has(response.status) ? response.status : 400;
  return body === "" ? { status: 202, headers: {}, body: null } : { status, headers: { "content-type": JSON_TYPE }, body };
}

function failure(status: number, code: McpFailure, message: string, id: string | number | null = null): Answer {
  return json(status, mcpFailure(code, message, id));
}
