import type { AttributeType, AttributeValue, ComparisonFilter, Filter, VisibleFilter } from "./filter.ts";

/**
 * Milvus' filters are text, and the servers that Kennel meets have no parameters for all of it; so every value goes through
 * `milvusLiteral` and every attribute's name through `attributeField`. Nothing else puts data into an expression.
 */

const ATTRIBUTE_PREFIX = "attr_";

/** The dynamic field of an attribute. Its key has been checked (`ATTRIBUTE_KEY`), so that it is one identifier. */
export function attributeField(key: string): string {
  return `${ATTRIBUTE_PREFIX}${key}`;
}

/** The attribute that a dynamic field holds; null: it is none of ours. */
export function attributeOfField(field: string): string | null {
  return field.startsWith(ATTRIBUTE_PREFIX) ? field.slice(ATTRIBUTE_PREFIX.length) : null;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r" };

/**
 * A value as a literal. Inside double quotes only the quote, the backslash and the ends of a line have a meaning; other
 * escapes are left out, as Milvus Lite refuses those that it does not know. Numbers are always doubles, and exact.
 */
export function milvusLiteral(value: AttributeValue): string {
  switch (typeof value) {
    case "string":
      return `"${value.toWellFormed().replaceAll(/[\\"\n\r]/g, (unit) => ESCAPES[unit] as string)}"`;
    case "number":
      if (!Number.isFinite(value)) throw new RangeError(`Cannot write ${value} as a literal: only finite numbers have one`);
      return value.toExponential();
    default:
      return value ? "true" : "false";
  }
}

/** `field` is one of `values`. */
export function isOneOf(field: string, values: readonly AttributeValue[]): string {
  return values.length === 0 ? NOTHING : `${field} in [${values.map(milvusLiteral).join(",")}]`;
}

/** No constant is a condition for Milvus 2.3; every row has an id. */
const EVERYTHING = 'id >= ""';
const NOTHING = 'id < ""';

/**
 * A checked filter as an expression.
 * @param types the attributes that the index has; any other is missing in every row
 */
export function milvusFilter(filter: Filter, types: ReadonlyMap<string, AttributeType>): string {
  switch (filter.type) {
    case "and":
      return joined(filter.filters, types, "and");
    case "or":
      return joined(filter.filters, types, "or");
    case "visible":
      return visibleRows(filter);
    default:
      return comparison(filter, types);
  }
}

const PRINCIPALS = "principals";

/** One condition a principal: not every server has one for a list of them. */
function visibleRows({ principals, isOpen }: VisibleFilter): string {
  const ways = [
    ...(isOpen ? [`array_length(${PRINCIPALS}) == 0`] : []),
    ...principals.map((principal) => `array_contains(${PRINCIPALS}, ${milvusLiteral(principal)})`),
  ];
  return ways.length === 0 ? `(${NOTHING})` : `(${ways.join(" or ")})`;
}

function joined(filters: readonly Filter[], types: ReadonlyMap<string, AttributeType>, operator: "and" | "or"): string {
  return `(${filters.map((part) => milvusFilter(part, types)).join(` ${operator} `)})`;
}

const ORDERS = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

/** Servers differ in what a comparison with a missing value is, so that what F1 of filter.ts says of it is written out. */
function comparison({ type, key, value }: ComparisonFilter, types: ReadonlyMap<string, AttributeType>): string {
  const matchesMissing = type === "ne" || type === "nin";
  const attribute = types.get(key);
  if (attribute === undefined) return `(${matchesMissing ? EVERYTHING : NOTHING})`;
  const field = attributeField(key);
  const isPresent = presentIn(field);
  if (attribute === "boolean") return booleans({ field, isPresent, matchesMissing, everything: EVERYTHING, nothing: NOTHING }, type, value);
  if (type in ORDERS) return `(${isPresent} and ${field} ${ORDERS[type as keyof typeof ORDERS]} ${milvusLiteral(value as AttributeValue)})`;
  const wanted = Array.isArray(value)
    ? isOneOf(field, value as readonly AttributeValue[])
    : `${field} == ${milvusLiteral(value as AttributeValue)}`;
  const listed = `(${isPresent} and ${wanted})`;
  return matchesMissing ? `(not ${listed})` : listed;
}

/** In brackets of its own: without them Milvus 2.3 takes all that follows for its operand. */
export function presentIn(field: string): string {
  return `(exists ${field})`;
}

const BOOLEANS = [false, true] as const;

interface BooleanField {
  readonly field: string;
  /** The condition under which a row has it; null: every row has. */
  readonly isPresent: string | null;
  readonly matchesMissing: boolean;
  /** Conditions that every row meets, and none. */
  readonly everything: string;
  readonly nothing: string;
}

/** Which of the two values pass is decided here: no server orders them. */
export function booleans(
  { field, isPresent, matchesMissing, everything, nothing }: BooleanField,
  type: ComparisonFilter["type"],
  value: ComparisonFilter["value"],
): string {
  const given = (Array.isArray(value) ? value : [value]).map(Number);
  const passes = (found: number) => {
    switch (type) {
      case "gt":
        return given.some((wanted) => found > wanted);
      case "gte":
        return given.some((wanted) => found >= wanted);
      case "lt":
        return given.some((wanted) => found < wanted);
      case "lte":
        return given.some((wanted) => found <= wanted);
      case "eq":
      case "in":
        return given.includes(found);
      default:
        return !given.includes(found);
    }
  };
  const passing = BOOLEANS.filter((found) => passes(Number(found)));
  const isHeld = isPresent ?? `(${everything})`;
  const found = passing.length === 2 ? isHeld : `(${isHeld} and ${passing.length === 0 ? nothing : isOneOf(field, passing)})`;
  return matchesMissing && isPresent !== null ? `((not ${isPresent}) or ${found})` : found;
}
