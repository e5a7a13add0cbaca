import { kennelError } from "../../../../runtime/errors.ts";
import type { AdoptedColumn, Adoption, ForeignType } from "../../adoption.ts";
import type { AttributeValue, ComparisonFilter, Filter } from "../../filter.ts";
import { booleans, milvusLiteral, presentIn } from "../../milvus_filter.ts";
import { DYNAMIC_FIELD } from "../collection.ts";

/**
 * Filters over fields that Kennel did not make. Their names come from the server's own description, and keys of the dynamic
 * field through the literal encoder; values as everywhere through it, but that whole numbers are written as such, which
 * Milvus wants for its integers.
 */

const LEAST_INTEGER = "-9223372036854775807";
/** From here on a double is beyond every Int64. */
const INTEGER_BOUND = 2 ** 63;
const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;
/** Keys of the dynamic field that are, or may become, words of Milvus' language and can't stand for themselves. */
const RESERVED =
  /^(?:in|not|and|or|like|exists|is|null|true|false|any|all|between|interval|iso|count|sum|min|max|avg|(?:json|array|st|text|phrase|element)_.*|random_sample)$/i;
const INTEGER_ID = /^-?\d{1,19}$/;

/** A condition that every row meets: no constant is one for Milvus 2.3. */
export function everyRow(key: string, type: ForeignType): string {
  return `${fieldName(key)} >= ${type === "integer" ? LEAST_INTEGER : '""'}`;
}

function noRow(key: string, type: ForeignType): string {
  return `${fieldName(key)} < ${type === "integer" ? LEAST_INTEGER : '""'}`;
}

/** A field, or a key of the dynamic one, as an expression has it. */
export function columnName(name: string, { isDynamic }: Pick<AdoptedColumn, "isDynamic">): string {
  const isPlain = !isDynamic || (FIELD_NAME.test(name) && !RESERVED.test(name));
  return isPlain ? fieldName(name) : `${DYNAMIC_FIELD}[${milvusLiteral(name)}]`;
}

function fieldName(name: string): string {
  if (FIELD_NAME.test(name)) return name;
  throw kennelError("internal", { message: "Cannot write a filter: a field of the adopted collection has a name that Milvus refuses" });
}

/** `field` is one of `values`; strings that are no whole number are in no field of whole numbers. */
export function isOneOfIds(name: string, column: AdoptedColumn, values: readonly string[]): string {
  const literals = values.flatMap((id) => idLiteral(column, id) ?? []);
  return isAmong(columnName(name, column), literals);
}

/** Milvus Lite takes no list for a key that is written through the dynamic field. */
function isAmong(name: string, literals: readonly string[]): string {
  if (!name.startsWith(DYNAMIC_FIELD) || literals.length === 0) return `${name} in [${literals.join(",")}]`;
  return `(${literals.map((literal) => `${name} == ${literal}`).join(" or ")})`;
}

/** Null: no field of this type holds it. */
export function idLiteral({ type }: AdoptedColumn, id: string): string | null {
  if (type !== "integer") return milvusLiteral(id);
  return INTEGER_ID.test(id) && BigInt.asIntN(64, BigInt(id)) === BigInt(id) ? String(BigInt(id)) : null;
}

/** A checked filter as an expression over the adopted collection's own fields. F1 to F4 of filter.ts hold as for Kennel's own. */
export function adoptedFilter(filter: Filter, adoption: Adoption): string {
  switch (filter.type) {
    case "and":
    case "or":
      return `(${filter.filters.map((part) => adoptedFilter(part, adoption)).join(` ${filter.type} `)})`;
    case "visible":
      return `(${filter.isOpen ? constantsOf(adoption).everything : constantsOf(adoption).nothing})`; // its rows have no principals
    default:
      return comparison(filter, adoption);
  }
}

/** Conditions that every row meets, and none. */
function constantsOf({ columns, fields }: Adoption): { readonly everything: string; readonly nothing: string } {
  const keyType = columns[fields.id]?.type ?? "string";
  return { everything: everyRow(fields.id, keyType), nothing: noRow(fields.id, keyType) };
}

const ORDERS = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;
type Order = keyof typeof ORDERS;

function comparison({ type, key, value }: ComparisonFilter, adoption: Adoption): string {
  const column = adoption.columns[key];
  const constants = constantsOf(adoption);
  const matchesMissing = type === "ne" || type === "nin";
  if (column === undefined || !Object.hasOwn(adoption.attributes, key))
    return `(${matchesMissing ? constants.everything : constants.nothing})`;
  const name = columnName(key, column);
  const isPresent = presence(name, column);
  if (column.type === "boolean") return booleans({ field: name, isPresent, matchesMissing, ...constants }, type, value);
  const found = type in ORDERS ? ordered(name, column, type as Order, value as number) : listed(name, column, value);
  const condition = found ?? constants.nothing;
  if (isPresent === null) return matchesMissing ? `(not (${condition}))` : `(${condition})`;
  return matchesMissing ? `((not ${isPresent}) or (not (${condition})))` : `(${isPresent} and (${condition}))`;
}

/** Null: every row has it. */
function presence(name: string, { isDynamic, isNullable }: AdoptedColumn): string | null {
  if (isDynamic) return presentIn(name);
  return isNullable ? `(${name} is not null)` : null;
}

/** Null: no value is. */
function listed(name: string, column: AdoptedColumn, value: ComparisonFilter["value"]): string | null {
  const values = (Array.isArray(value) ? value : [value]) as readonly AttributeValue[];
  const literals = values.flatMap((each) => literalIn(column, each) ?? []);
  return literals.length === 0 ? null : isAmong(name, literals);
}

function ordered(name: string, column: AdoptedColumn, type: Order, value: AttributeValue): string | null {
  if (column.type !== "integer") return `${name} ${ORDERS[type]} ${literalIn(column, value)}`;
  const bound = value as number;
  const isUpper = type === "lt" || type === "lte";
  if (Math.abs(bound) >= INTEGER_BOUND) return bound > 0 === isUpper ? `${name} >= ${LEAST_INTEGER}` : null;
  if (Number.isInteger(bound)) return `${name} ${ORDERS[type]} ${BigInt(bound)}`;
  return isUpper ? `${name} <= ${BigInt(Math.floor(bound))}` : `${name} >= ${BigInt(Math.ceil(bound))}`;
}

/** Null: a field of this type never holds it. */
function literalIn({ type, isDynamic }: AdoptedColumn, value: AttributeValue): string | null {
  if (typeof value !== "number") return milvusLiteral(value);
  if (type === "float32") return milvusLiteral(Math.fround(value));
  if (type !== "integer" || isDynamic) return milvusLiteral(value);
  return Number.isInteger(value) && Math.abs(value) < INTEGER_BOUND ? String(BigInt(value)) : null;
}
