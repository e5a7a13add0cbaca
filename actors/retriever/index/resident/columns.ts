import { neverReached } from "../../../../runtime/errors.ts";
import {
  type Attributes,
  type AttributeType,
  type AttributeValue,
  type ComparisonFilter,
  type Filter,
  matches,
  type VisibleFilter,
} from "../../../vector_store/filter.ts";

/** One attribute of every base row, in a form that a filter can run over. */
export type Column =
  /** Codes from 1 into the dictionary; 0: the row does not have it. */
  | { readonly type: "string"; readonly codes: Uint32Array; readonly dictionary: readonly string[] }
  /** NaN: the row does not have it. */
  | { readonly type: "number"; readonly values: Float64Array }
  /** 0: the row does not have it, 1: false, 2: true. */
  | { readonly type: "boolean"; readonly states: Uint8Array };

export type Columns = Pick<ReadonlyMap<string, Column>, "get">;

/**
 * Writes 1 into `mask` for every row that passes, else 0. Compares through `matches`, once per distinct string, so that
 * it means what every store means.
 */
export function evaluateFilter(filter: Filter, columns: Columns, mask: Uint8Array): void {
  if (filter.type === "visible") {
    evaluateVisible(filter, columns, mask);
    return;
  }
  if (!("filters" in filter)) {
    evaluateComparison(filter, columns, mask);
    return;
  }
  const [first, ...others] = filter.filters;
  if (first === undefined) {
    mask.fill(filter.type === "and" ? 1 : 0);
    return;
  }
  evaluateFilter(first, columns, mask);
  const other = new Uint8Array(others.length === 0 ? 0 : mask.length);
  for (const part of others) {
    evaluateFilter(part, columns, other);
    if (filter.type === "and") for (let row = 0; row < mask.length; row++) mask[row] = (mask[row] as number) & (other[row] as number);
    else for (let row = 0; row < mask.length; row++) mask[row] = (mask[row] as number) | (other[row] as number);
  }
}

/** No attribute has this key (`ATTRIBUTE_KEY`): the column of rows' principals, which those that have none lack. */
const PRINCIPALS_COLUMN = "$principals";

/** What a row has in its columns. Principals are one string, in which each stands alone in its line: no JSON of a string has a line's end. */
export function cellsOf(attributes: Attributes, principals: readonly string[]): Attributes {
  return principals.length === 0 ? attributes : { ...attributes, [PRINCIPALS_COLUMN]: principals.map(lineOf).join("") };
}

function lineOf(principal: string): string {
  return `\n${JSON.stringify(principal.toWellFormed())}\n`;
}

/** Once per distinct list of principals. */
function evaluateVisible({ principals, isOpen }: VisibleFilter, columns: Columns, mask: Uint8Array): void {
  const column = columns.get(PRINCIPALS_COLUMN);
  const open = isOpen ? 1 : 0;
  if (column?.type !== "string") {
    mask.fill(column === undefined ? open : 0); // without the column no row has principals
    return;
  }
  const lines = principals.map(lineOf);
  const byCode = Uint8Array.of(open, ...column.dictionary.map((list) => (lines.some((line) => list.includes(line)) ? 1 : 0)));
  for (let row = 0; row < mask.length; row++) mask[row] = byCode[column.codes[row] as number] as number;
}

function evaluateComparison(filter: ComparisonFilter, columns: Columns, mask: Uint8Array): void {
  const passes = (value: AttributeValue | undefined): 0 | 1 =>
    matches(filter, value === undefined ? {} : { [filter.key]: value }) ? 1 : 0;
  const column = columns.get(filter.key);
  const missing = passes(undefined);
  if (column === undefined) {
    mask.fill(missing);
    return;
  }
  switch (column.type) {
    case "string": {
      const byCode = Uint8Array.of(missing, ...column.dictionary.map(passes));
      for (let row = 0; row < mask.length; row++) mask[row] = byCode[column.codes[row] as number] as number;
      return;
    }
    case "boolean": {
      const byState = Uint8Array.of(missing, passes(false), passes(true));
      for (let row = 0; row < mask.length; row++) mask[row] = byState[column.states[row] as number] as number;
      return;
    }
    case "number":
      evaluateNumbers(filter, column.values, missing, mask);
      return;
    default:
      neverReached(column);
  }
}

/** Numbers are too many to be looked up one by one; F2 of filter.ts: doubles, -0 equals 0, as the operators have it. */
function evaluateNumbers({ type, value }: ComparisonFilter, values: Float64Array, missing: 0 | 1, mask: Uint8Array): void {
  const wanted = new Set(Array.isArray(value) ? (value as readonly AttributeValue[]) : [value as AttributeValue]);
  const [first] = wanted;
  const bound = typeof first === "number" ? first : Number.NaN;
  const test = {
    eq: (found: number) => found === bound,
    ne: (found: number) => found !== bound,
    gt: (found: number) => found > bound,
    gte: (found: number) => found >= bound,
    lt: (found: number) => found < bound,
    lte: (found: number) => found <= bound,
    in: (found: number) => wanted.has(found),
    nin: (found: number) => !wanted.has(found),
  }[type];
  for (let row = 0; row < mask.length; row++) {
    const found = values[row] as number;
    mask[row] = Number.isNaN(found) ? missing : test(found) ? 1 : 0;
  }
}

export interface ColumnSpec {
  readonly key: string;
  readonly type: AttributeType;
}

/** Bytes of a cell by type. */
export const CELL_BYTES: Readonly<Record<AttributeType, number>> = { string: 4, number: 8, boolean: 1 };
