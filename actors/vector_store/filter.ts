/** A filter on document attributes, in OpenAI's shape. */
export type AttributeValue = string | number | boolean;

export const COMPARISONS = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"] as const;
export type Comparison = (typeof COMPARISONS)[number];

export interface ComparisonFilter {
  readonly type: Comparison;
  readonly key: string;
  /** A list for `in` and `nin`, one value for the others. */
  readonly value: AttributeValue | readonly AttributeValue[];
}

export interface CompoundFilter {
  readonly type: "and" | "or";
  readonly filters: readonly Filter[];
}

export type Filter = ComparisonFilter | CompoundFilter;

export type AttributeType = "string" | "number" | "boolean";
/** Attribute types by key; keys match `[A-Za-z_][A-Za-z0-9_]{0,63}`. */
export type AttributeSchema = Readonly<Record<string, AttributeType>>;
export type Attributes = Readonly<Record<string, AttributeValue>>;
