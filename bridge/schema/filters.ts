/**
 * The shape of filters, for the document of the interface. What a filter may hold depends on its collection's
 * attributes, so a request's filter is checked by `checkFilter` of the vector store's port instead.
 */
import { z } from "zod";
import { ATTRIBUTE_KEY, type AttributeSchema, COMPARISONS, checkFilter, type Filter } from "../../actors/vector_store/filter.ts";

const valueSchema = z.union([z.string(), z.number(), z.boolean()]);
const keySchema = z.string().regex(ATTRIBUTE_KEY);

const comparisonSchema = z.strictObject({
  type: z.enum(COMPARISONS),
  key: keySchema,
  value: z.union([valueSchema, z.array(valueSchema)]),
});

const compoundSchema = z.strictObject({
  type: z.enum(["and", "or"]),
  get filters() {
    return z.array(filterSchema).min(1);
  },
});

export const filterSchema: z.ZodType = z
  .union([comparisonSchema, compoundSchema])
  .meta({ id: "Filter", description: "A comparison of one attribute, or several filters combined; in and nin take a list of values" });

/** A filter as it arrives: of any shape until `toFilter` has looked at it. */
export const uncheckedFilterSchema = z.unknown().meta({ kennelSchema: "Filter" });

/** Absent and null: no filter. Throws `invalid_request` that names the place, such as `filters.filters[0].key`. */
export function toFilter(input: unknown, attributes: AttributeSchema): Filter | null {
  return input === undefined || input === null ? null : checkFilter(input, attributes, "filters");
}
