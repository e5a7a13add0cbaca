import type { Filter as MongoFilter } from "mongodb";
import { kennelError, neverReached } from "../../../runtime/errors.ts";
import { ATTRIBUTE_KEY, type AttributeValue, type Comparison, type Filter } from "../../vector_store/filter.ts";
import type { DocumentDocument } from "./schema.ts";

/** Each value stands under an operator of ours, so that none is read as one. */
const OPERATORS = {
  eq: "$eq",
  ne: "$ne",
  gt: "$gt",
  gte: "$gte",
  lt: "$lt",
  lte: "$lte",
  in: "$in",
  nin: "$nin",
} as const satisfies Record<Comparison, string>;

/**
 * A condition on `attributes` and `principals` with the meaning of `matches`: MongoDB compares strings by their UTF-8 bytes, never across
 * types, and `$ne` and `$nin` hold where there is no attribute.
 * @throws `invalid_request` on a key or value that no checked filter has
 */
export function filterToQuery(filter: Filter): MongoFilter<DocumentDocument> {
  switch (filter.type) {
    case "and":
      return { $and: filter.filters.map(filterToQuery) };
    case "or":
      return { $or: filter.filters.map(filterToQuery) };
    case "in":
    case "nin":
      return { [pathOf(filter.key)]: { [OPERATORS[filter.type]]: (filter.value as readonly unknown[]).map(checked) } };
    case "eq":
    case "ne":
    case "gt":
    case "gte":
    case "lt":
    case "lte":
      return { [pathOf(filter.key)]: { [OPERATORS[filter.type]]: checked(filter.value) } };
    case "visible": {
      const shared = { principals: { $in: filter.principals.map(checkedPrincipal) } };
      return filter.isOpen ? { $or: [{ principals: { $size: 0 } }, shared] } : shared;
    }
    default:
      return neverReached(filter);
  }
}

/** A key with a dot would reach into another field, one with a dollar sign would be an operator. */
function pathOf(key: string): string {
  if (!ATTRIBUTE_KEY.test(key)) {
    throw kennelError("invalid_request", {
      param: "filters",
      message: `filters has the key ${JSON.stringify(key.slice(0, 64))}; allowed: ${ATTRIBUTE_KEY.source}`,
    });
  }
  return `attributes.${key}`;
}

/** A string and nothing else: an expression in a list of values would be one. */
function checkedPrincipal(principal: unknown): string {
  if (typeof principal === "string") return principal.toWellFormed();
  throw kennelError("internal", { message: "A principal is not a string" });
}

function checked(value: unknown): AttributeValue {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "number") return value + 0; // -0 is 0
  if (typeof value === "boolean") return value;
  throw kennelError("invalid_request", { param: "filters", message: "filters has a value that is neither string, number nor boolean" });
}
