import { kennelError, neverReached } from "../../runtime/errors.ts";

/**
 * A filter on document attributes, in OpenAI's shape, and what it means. Every store must agree with `matches`:
 *   F1. A missing attribute satisfies `ne` and `nin` and no other comparison: `ne` is exactly what `eq` is not, `nin`
 *       what `in` is not.
 *   F2. Numbers compare as doubles (-0 equals 0), `false` before `true`, strings by code point, case and accents
 *       included, which is the order of their UTF-8 bytes. Types never mix; `checkFilter` refuses the attempt.
 *   F3. A lone surrogate cannot be written as UTF-8; wherever one is given, U+FFFD is meant.
 *   F4. `in` with an empty list matches nothing, `nin` with one everything.
 */
export type AttributeValue = string | number | boolean;

export const COMPARISONS = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"] as const;
export type Comparison = (typeof COMPARISONS)[number];

export const COMPOUNDS = ["and", "or"] as const;
export type Compound = (typeof COMPOUNDS)[number];

export interface ComparisonFilter {
  readonly type: Comparison;
  readonly key: string;
  /** A list for `in` and `nin`, one value for the others. */
  readonly value: AttributeValue | readonly AttributeValue[];
}

export interface CompoundFilter {
  readonly type: Compound;
  readonly filters: readonly Filter[];
}

/**
 * Whose documents may be found: composed by the server of who asks, never read from a request (`checkFilter` does not know it).
 *   F5. A document passes that has one of `principals`, or that has none at all where `isOpen`. What is not known of a
 *       document's principals lets it pass nowhere.
 */
export interface VisibleFilter {
  readonly type: "visible";
  /** Of who asks, sorted. */
  readonly principals: readonly string[];
  /** Whether documents without principals are everyone's. */
  readonly isOpen: boolean;
}

export type Filter = ComparisonFilter | CompoundFilter | VisibleFilter;

export type AttributeType = "string" | "number" | "boolean";
/** Attribute types by key; keys match `ATTRIBUTE_KEY`. */
export type AttributeSchema = Readonly<Record<string, AttributeType>>;
export type Attributes = Readonly<Record<string, AttributeValue>>;

export const ATTRIBUTE_KEY = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** A filter beyond one of these is refused, so that a store's parser and planner stay within bounds. */
export const FILTER_LIMITS = {
  /** `and` and `or` inside one another. */
  maxDepth: 8,
  /** Comparisons in the whole filter. */
  maxComparisons: 256,
  /** Values of one `in` or `nin`. */
  maxListValues: 1000,
  /** UTF-16 units of one string value. */
  maxStringLength: 10_000,
} as const;

/**
 * Checks what a client sent against the attributes of a collection and returns it as a `Filter` with nothing else in it.
 * Throws `invalid_request`; its `param` names the exact place, such as `filters.filters[0].value`.
 * @param param where in the request the filter stands
 */
export function checkFilter(input: unknown, schema: AttributeSchema, param = "filters"): Filter {
  return new FilterCheck(schema).check(input, param, 1);
}

class FilterCheck {
  readonly #schema: AttributeSchema;
  #comparisons = 0;

  constructor(schema: AttributeSchema) {
    this.#schema = schema;
  }

  check(input: unknown, param: string, depth: number): Filter {
    if (!isRecord(input)) throw refuse(param, `is ${describe(input)}`, "an object with a type");
    const type = input.type;
    if (isOneOf(COMPOUNDS, type)) return this.#checkCompound(type, input, param, depth);
    if (isOneOf(COMPARISONS, type)) return this.#checkComparison(type, input, param);
    throw refuse(`${param}.type`, `is ${describe(type)}`, `one of ${[...COMPARISONS, ...COMPOUNDS].join(", ")}`);
  }

  #checkCompound(type: Compound, input: Record<string, unknown>, param: string, depth: number): CompoundFilter {
    refuseUnknownFields(input, ["type", "filters"], param);
    if (depth > FILTER_LIMITS.maxDepth) throw refuse(param, "is nested too deep", `at most ${FILTER_LIMITS.maxDepth} levels of and, or`);
    const filters = input.filters;
    if (!Array.isArray(filters) || filters.length === 0) {
      throw refuse(`${param}.filters`, `is ${describe(filters)}`, "a list of at least one filter");
    }
    return { type, filters: filters.map((filter: unknown, place) => this.check(filter, `${param}.filters[${place}]`, depth + 1)) };
  }

  #checkComparison(type: Comparison, input: Record<string, unknown>, param: string): ComparisonFilter {
    refuseUnknownFields(input, ["type", "key", "value"], param);
    this.#comparisons += 1;
    if (this.#comparisons > FILTER_LIMITS.maxComparisons) {
      throw refuse(param, "is one comparison too many", `at most ${FILTER_LIMITS.maxComparisons} comparisons in a filter`);
    }
    const { key, value } = input;
    if (typeof key !== "string" || !Object.hasOwn(this.#schema, key)) {
      throw refuse(`${param}.key`, `is ${describe(key)}`, knownKeys(this.#schema));
    }
    const attribute = this.#schema[key] as AttributeType;
    if (type !== "in" && type !== "nin") return { type, key, value: checkValue(value, key, attribute, `${param}.value`) };
    if (!Array.isArray(value) || value.length > FILTER_LIMITS.maxListValues) {
      throw refuse(`${param}.value`, `is ${describe(value)}`, `a list of at most ${FILTER_LIMITS.maxListValues} values for ${type}`);
    }
    return { type, key, value: value.map((item: unknown, place) => checkValue(item, key, attribute, `${param}.value[${place}]`)) };
  }
}

function checkValue(value: unknown, key: string, attribute: AttributeType, param: string): AttributeValue {
  const hasType = typeof value === attribute && (typeof value !== "number" || Number.isFinite(value));
  if (!hasType)
    throw refuse(param, `is ${describe(value)}`, `a ${attribute === "number" ? "finite number" : attribute}, as attribute "${key}" is`);
  if (typeof value === "string" && value.length > FILTER_LIMITS.maxStringLength) {
    throw refuse(param, `has ${value.length} characters`, `at most ${FILTER_LIMITS.maxStringLength}`);
  }
  return value as AttributeValue;
}

function refuseUnknownFields(input: Record<string, unknown>, known: readonly string[], param: string): void {
  for (const field of Object.keys(input)) {
    if (!known.includes(field)) throw refuse(`${param}.${field.slice(0, 64)}`, "is not known here", known.join(", "));
  }
}

function refuse(param: string, given: string, allowed: string) {
  return kennelError("invalid_request", { param, message: `${param} ${given}; allowed: ${allowed}` });
}

/** What was given, short enough for a message. */
function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (typeof value === "string") return value.length > 64 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function knownKeys(schema: AttributeSchema): string {
  const keys = Object.keys(schema).sort();
  if (keys.length === 0) return "none, as the collection has no attributes";
  return keys.length > 20 ? `${keys.slice(0, 20).join(", ")} and ${keys.length - 20} more` : keys.join(", ");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOneOf<Member extends string>(members: readonly Member[], value: unknown): value is Member {
  return (members as readonly unknown[]).includes(value);
}

/**
 * Whether a document passes a checked filter: the meaning that every store's own evaluation must have.
 * @param principals the document's; null: not known, so that no `visible` lets it pass (F5)
 */
export function matches(filter: Filter, attributes: Attributes, principals: readonly string[] | null = null): boolean {
  switch (filter.type) {
    case "and":
      return filter.filters.every((part) => matches(part, attributes, principals));
    case "or":
      return filter.filters.some((part) => matches(part, attributes, principals));
    case "visible":
      return principals !== null && isVisible(filter, principals);
    default:
      return matchesComparison(filter, Object.hasOwn(attributes, filter.key) ? attributes[filter.key] : undefined);
  }
}

/** F5. @param principals the document's */
export function isVisible({ principals: asking, isOpen }: VisibleFilter, principals: readonly string[]): boolean {
  return principals.length === 0 ? isOpen : principals.some((principal) => asking.includes(principal));
}

/** Both must let a document pass; null lets every one pass. */
export function bothOf(filter: Filter | null, visible: VisibleFilter | null): Filter | null {
  if (visible === null) return filter;
  return filter === null ? visible : { type: "and", filters: [visible, filter] };
}

function matchesComparison({ type, value }: ComparisonFilter, found: AttributeValue | undefined): boolean {
  if (found === undefined) return type === "ne" || type === "nin"; // F1
  const order = (wanted: AttributeValue) => compareValues(found, wanted);
  const values = Array.isArray(value) ? (value as readonly AttributeValue[]) : [value as AttributeValue];
  const [first] = values;
  switch (type) {
    case "in":
      return values.some((wanted) => order(wanted) === 0);
    case "nin":
      return values.every((wanted) => order(wanted) !== 0);
    default:
      return first !== undefined && holds(type, order(first));
  }
}

function holds(type: Exclude<Comparison, "in" | "nin">, order: number): boolean {
  switch (type) {
    case "eq":
      return order === 0;
    case "ne":
      return order !== 0;
    case "gt":
      return order > 0;
    case "gte":
      return order >= 0;
    case "lt":
      return order < 0;
    case "lte":
      return order <= 0;
    default:
      return neverReached(type);
  }
}

/** Below, at or above 0 as `left` comes before, with or after `right`; both have one type. F2, F3. */
export function compareValues(left: AttributeValue, right: AttributeValue): number {
  if (typeof left === "string" && typeof right === "string") return compareCodePoints(left.toWellFormed(), right.toWellFormed());
  return Number(left) - Number(right);
}

/** UTF-16 units sort surrogates before U+E000 to U+FFFF, UTF-8 after: the first code points that differ decide. */
function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let unit = 0; unit < length; unit += 1) {
    if (left.charCodeAt(unit) === right.charCodeAt(unit)) continue;
    return (left.codePointAt(unit) as number) - (right.codePointAt(unit) as number);
  }
  return left.length - right.length;
}
