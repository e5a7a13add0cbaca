import { modeRequestSchema, modeSchema, parseMode } from "../schema/mode.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { ModeControl } from "./collaborators.ts";
import { jsonAnswer } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly modes: ModeControl;
  readonly limits: BridgeLimits;
}

export function modeRoutes({ modes, limits }: Parts): readonly Route[] {
  return [
    {
      method: "PUT",
      path: "/v1/mode",
      kind: "operation",
      maxBodyBytes: limits.maxBodyBytes,
      timeoutMs: limits.defaultTimeoutMs,
      description: {
        operationId: "putMode",
        summary: "Force a mode on the whole cluster or this node, or let the services decide again",
        tag: "operations",
        parameters: [],
        request: { isRequired: true, content: { [JSON_TYPE]: { schema: modeRequestSchema, example: { mode: "lexical" } } } },
        answers: {
          200: jsonAnswer("It holds for every query from now on", modeSchema, { object: "mode", mode: "lexical", forced_mode: "lexical" }),
        },
        errors: ["invalid_request", "payload_too_large", "unsupported_media_type", "unavailable"],
      },
      async handle(exchange) {
        exchange.refuseQuery();
        const { mode, scope } = parseMode(await exchange.json());
        return json(200, { object: "mode", ...(await modes.force(mode, exchange.signal, scope)) });
      },
    },
  ];
}
