import { neverReached } from "../../../runtime/errors.ts";
import type { AttributeValue, Comparison, ComparisonFilter, Filter, VisibleFilter } from "../../vector_store/filter.ts";
import type { SqlValue } from "./connection.ts";

export interface SqlCondition {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

const OPERATORS = { eq: "=", ne: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=" } as const satisfies Partial<Record<Comparison, string>>;

/** A condition on the columns `attributes` and `principals` with the meaning of `matches`: keys and values are parameters, never text. */
export function filterToSql(filter: Filter): SqlCondition {
  switch (filter.type) {
    case "and":
    case "or": {
      const parts = filter.filters.map(filterToSql);
      return {
        sql: `(${parts.map((part) => part.sql).join(` ${filter.type.toUpperCase()} `)})`,
        parameters: parts.flatMap((part) => part.parameters),
      };
    }
    case "in":
    case "nin":
      return listCondition(filter.type, filter);
    case "eq":
    case "ne":
    case "gt":
    case "gte":
    case "lt":
    case "lte": {
      const attribute = attributeOf(filter.key);
      const value = toSqlValue(filter.value as AttributeValue);
      const test = `${attribute.sql} ${OPERATORS[filter.type]} ?`;
      if (filter.type !== "ne") return { sql: `(${test}) IS TRUE`, parameters: [...attribute.parameters, value] };
      return { sql: `(${test}) IS NOT FALSE`, parameters: [...attribute.parameters, value] };
    }
    case "visible":
      return visibleCondition(filter);
    default:
      return neverReached(filter);
  }
}

function visibleCondition({ principals, isOpen }: VisibleFilter): SqlCondition {
  const shared = "EXISTS (SELECT 1 FROM json_each(principals) AS own WHERE own.value IN (SELECT value FROM json_each(?)))";
  const sql = isOpen ? `(json_array_length(principals) = 0 OR ${shared})` : `(${shared})`;
  return { sql, parameters: [JSON.stringify(principals)] };
}

function listCondition(type: "in" | "nin", filter: ComparisonFilter): SqlCondition {
  const attribute = attributeOf(filter.key);
  const values = (filter.value as readonly AttributeValue[]).map(toSqlValue);
  const test = `${attribute.sql} IN (SELECT value FROM json_each(?))`;
  const parameters = [...attribute.parameters, JSON.stringify(values)];
  return type === "in" ? { sql: `(${test}) IS TRUE`, parameters } : { sql: `(${test}) IS NOT TRUE`, parameters };
}

function attributeOf(key: string): SqlCondition {
  return { sql: "json_extract(attributes, ?)", parameters: [`$."${key.replaceAll('"', "")}"`] };
}

/** Booleans lie in the database as 0 and 1, as `json_extract` gives them. */
function toSqlValue(value: AttributeValue): string | number {
  if (typeof value === "boolean") return value ? 1 : 0;
  return typeof value === "string" ? value.toWellFormed() : value;
}
