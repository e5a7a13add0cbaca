import {
  flagNameSchema,
  flagRequestSchema,
  flagSchema,
  flagsSchema,
  parseFlagName,
  parseFlagRequest,
  scopeSchema,
} from "../schema/flags.ts";
import { refuse, validate } from "../schema/validate.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { FlagControl, OperatorScope } from "./collaborators.ts";
import { jsonAnswer } from "./descriptions.ts";
import type { Exchange } from "./exchange.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Parameter, Route } from "./route.ts";

interface Parts {
  readonly flags: FlagControl;
  readonly limits: BridgeLimits;
}

const PATH = "/v1/flags/{flag}";
const FLAG_PARAMETER: Parameter = { name: "flag", in: "path", description: "The flag's name", schema: flagNameSchema, example: "hedging" };
const SCOPE_PARAMETER: Parameter = {
  name: "scope",
  in: "query",
  description: "Whose word is taken back; left out: both",
  schema: scopeSchema,
};
const EXAMPLE = {
  object: "flag",
  flag: "hedging",
  enabled: false,
  default: true,
  source: "cluster",
  reason: "the store has no room for second attempts",
  since: "2026-01-01T12:00:00.000Z",
  node: "kennel-0",
  description: "Second attempts of reads and of searches on other nodes that take longer than usual",
};
const RESET = { ...EXAMPLE, enabled: true, source: "settings", reason: null, since: null, node: null };

export function flagRoutes(parts: Parts): readonly Route[] {
  return [listFlags(parts), putFlag(parts), deleteFlag(parts)];
}

function listFlags({ flags, limits }: Parts): Route {
  return {
    method: "GET",
    path: "/v1/flags",
    kind: "operation",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "listFlags",
      summary: "Show what can be switched off while the node runs, and what is",
      tag: "operations",
      parameters: [],
      request: null,
      answers: { 200: jsonAnswer("All flags", flagsSchema, { object: "list", data: [EXAMPLE] }) },
      errors: ["invalid_request"],
    },
    handle(exchange) {
      exchange.refuseQuery();
      return json(200, { object: "list", data: flags.list().map((state) => ({ object: "flag", ...state })) });
    },
  };
}

function putFlag({ flags, limits }: Parts): Route {
  return {
    method: "PUT",
    path: PATH,
    kind: "operation",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "putFlag",
      summary: "Switch a part off or on, on this node or on the whole cluster, without a restart",
      tag: "operations",
      parameters: [FLAG_PARAMETER],
      request: {
        isRequired: true,
        content: {
          [JSON_TYPE]: { schema: flagRequestSchema, example: { enabled: false, reason: "the store has no room for second attempts" } },
        },
      },
      answers: { 200: jsonAnswer("It holds for every query from now on", flagSchema, EXAMPLE) },
      errors: ["invalid_request", "not_found", "payload_too_large", "unsupported_media_type", "unavailable"],
    },
    async handle(exchange) {
      const key = parseFlagName(exchange.param("flag"));
      exchange.refuseQuery();
      const { enabled, reason, scope } = parseFlagRequest(await exchange.json());
      return json(200, { object: "flag", ...(await flags.switchFlag(key, enabled, reason, scope, exchange.signal)) });
    },
  };
}

function deleteFlag({ flags, limits }: Parts): Route {
  return {
    method: "DELETE",
    path: PATH,
    kind: "operation",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "deleteFlag",
      summary: "Take back what was said of a flag: its setting holds again",
      tag: "operations",
      parameters: [FLAG_PARAMETER, SCOPE_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The flag, as it holds now", flagSchema, RESET) },
      errors: ["invalid_request", "not_found", "unavailable"],
    },
    async handle(exchange) {
      const key = parseFlagName(exchange.param("flag"));
      return json(200, { object: "flag", ...(await flags.resetFlag(key, scopeOf(exchange), exchange.signal)) });
    },
  };
}

/** Null: not said. */
function scopeOf(exchange: Exchange): OperatorScope | null {
  const query = exchange.query();
  for (const name of query.keys()) if (name !== "scope") throw refuse(name.slice(0, 64), "is not known here", "scope");
  const given = query.get("scope");
  return given === null ? null : validate(scopeSchema, given, ["scope"]);
}
