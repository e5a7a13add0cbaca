import { kennelError } from "../../runtime/errors.ts";
import { aliasRequestSchema, aliasSchema, fromAlias, parseAlias } from "../schema/aliases.ts";
import { deletedSchema } from "../schema/deletions.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { CollectionCatalog } from "./collaborators.ts";
import { ALIAS_PARAMETER, jsonAnswer } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly limits: BridgeLimits;
}

const PATH = "/v1/aliases/{alias}";
const EXAMPLE = { object: "alias", alias: "current", collection: "docs", version: null };

export function aliasRoutes(parts: Parts): readonly Route[] {
  return [putAlias(parts), deleteAlias(parts)];
}

function putAlias({ catalog, limits }: Parts): Route {
  return {
    method: "PUT",
    path: PATH,
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "putAlias",
      summary: "Point an alias at a collection",
      tag: "aliases",
      parameters: [ALIAS_PARAMETER],
      request: { isRequired: true, content: { [JSON_TYPE]: { schema: aliasRequestSchema, example: { collection: "docs" } } } },
      answers: {
        200: jsonAnswer("It existed; it now points there", aliasSchema, EXAMPLE),
        201: jsonAnswer("It was made", aliasSchema, EXAMPLE),
      },
      errors: ["not_found", "conflict", "payload_too_large", "unsupported_media_type", "storage_full"],
    },
    async handle(exchange) {
      const alias = exchange.name("alias");
      exchange.refuseQuery();
      const record = parseAlias(alias, await exchange.json());
      const existed = catalog.aliases().some((known) => known.alias === alias);
      await catalog.putAlias(record, exchange.signal);
      return json(existed ? 200 : 201, fromAlias(record));
    },
  };
}

function deleteAlias({ catalog, limits }: Parts): Route {
  return {
    method: "DELETE",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "deleteAlias",
      summary: "Delete an alias; its collection stays",
      tag: "aliases",
      parameters: [ALIAS_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("It is gone", deletedSchema, { object: "alias.deleted", id: "current", deleted: true }) },
      errors: ["not_found"],
    },
    async handle(exchange) {
      const alias = exchange.name("alias");
      exchange.refuseQuery();
      if (!(await catalog.deleteAlias(alias, exchange.signal))) {
        throw kennelError("not_found", { message: `There is no alias "${alias}"`, param: "alias" });
      }
      return json(200, { object: "alias.deleted", id: alias, deleted: true });
    },
  };
}
