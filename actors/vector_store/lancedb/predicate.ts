import type { AttributeType, AttributeValue, ComparisonFilter, Filter, VisibleFilter } from "../filter.ts";

/**
 * LanceDB's filters are SQL text without parameters, so every value goes through `literal` and every attribute's column
 * through `attributeColumn`; nothing else in this folder puts data into SQL.
 */

const ATTRIBUTE_PREFIX = "attr_";

/** The column of an attribute. Its key has been checked (`ATTRIBUTE_KEY`), so that it cannot leave its back quotes. */
export function attributeColumn(key: string): string {
  return `${ATTRIBUTE_PREFIX}${key}`;
}

/** The attribute that a column holds; null: it is one of the fixed columns. */
export function attributeOfColumn(column: string): string | null {
  return column.startsWith(ATTRIBUTE_PREFIX) ? column.slice(ATTRIBUTE_PREFIX.length) : null;
}

/** A value as a SQL literal. Inside single quotes only the quote itself has a meaning; a backslash has none. */
export function literal(value: AttributeValue): string {
  switch (typeof value) {
    case "string":
      return `'${value.toWellFormed().replaceAll("'", "''")}'`;
    case "number":
      if (!Number.isFinite(value)) throw new RangeError(`Cannot write ${value} as a literal: only finite numbers have one`);
      return value.toExponential(); // always a double for the parser, and exact: as many digits as it takes
    default:
      return value ? "1" : "0"; // as their column holds them
  }
}

/** `column` is one of `values`. */
export function isOneOf(column: string, values: readonly AttributeValue[]): string {
  return values.length === 0 ? "false" : `\`${column}\` IN (${values.map(literal).join(",")})`;
}

/**
 * A checked filter as SQL.
 * @param types the attributes that the table has a column for; any other is missing in every row
 */
export function filterPredicate(filter: Filter, types: ReadonlyMap<string, AttributeType>): string {
  switch (filter.type) {
    case "and":
      return `(${filter.filters.map((part) => filterPredicate(part, types)).join(" AND ")})`;
    case "or":
      return `(${filter.filters.map((part) => filterPredicate(part, types)).join(" OR ")})`;
    case "visible":
      return visiblePredicate(filter);
    default:
      return comparisonPredicate(filter, types);
  }
}

const PRINCIPALS = "`principals`";

function visiblePredicate({ principals, isOpen }: VisibleFilter): string {
  const ways = [
    ...(isOpen ? [`empty(${PRINCIPALS})`] : []),
    ...(principals.length === 0 ? [] : [`array_has_any(${PRINCIPALS}, make_array(${principals.map(literal).join(",")}))`]),
  ];
  return ways.length === 0 ? "false" : `(${ways.join(" OR ")})`;
}

const OPERATORS = { eq: "=", ne: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

/** Missing attributes are NULL, which SQL lets satisfy nothing; F1 of filter.ts wants them with `ne` and `nin`. */
function comparisonPredicate({ type, key, value }: ComparisonFilter, types: ReadonlyMap<string, AttributeType>): string {
  const matchesMissing = type === "ne" || type === "nin";
  if (!types.has(key)) return matchesMissing ? "true" : "false";
  const column = attributeColumn(key);
  if (type === "in" || type === "nin") {
    const listed = isOneOf(column, value as readonly AttributeValue[]);
    return type === "in" ? listed : `(\`${column}\` IS NULL OR NOT (${listed}))`;
  }
  const comparison = `\`${column}\` ${OPERATORS[type]} ${literal(value as AttributeValue)}`;
  return matchesMissing ? `(\`${column}\` IS NULL OR ${comparison})` : `(${comparison})`;
}
