import { z } from "zod";
import type { Page } from "../../actors/document_store/document_store.ts";
import { describe, refuse } from "./validate.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const MAX_CURSOR_LENGTH = 1_024;

export interface PageRequest {
  readonly limit: number;
  readonly after: string | null;
}

/** Reads `limit` and `after`; other query parameters are refused. */
export function parsePage(query: URLSearchParams): PageRequest {
  for (const name of query.keys())
    if (name !== "limit" && name !== "after") throw refuse(name.slice(0, 64), "is not known here", "limit, after");
  const after = query.get("after");
  if (after !== null && (after === "" || after.length > MAX_CURSOR_LENGTH || after.includes("\u0000"))) {
    throw refuse("after", `is ${describe(after)}`, "the next of the page before");
  }
  return { limit: toLimit(query.get("limit")), after };
}

export function toLimit(given: string | null): number {
  if (given === null) return DEFAULT_LIMIT;
  const limit = /^\d{1,6}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw refuse("limit", `is ${describe(given)}`, `a whole number from 1 to ${MAX_LIMIT}`);
  return limit;
}

export function pageSchema(item: z.ZodType, id: string) {
  return z
    .object({
      object: z.literal("list"),
      data: z.array(item),
      next: z.string().nullable().describe("Give it as after for the next page; null: this was the last"),
    })
    .meta({ id });
}

export function fromPage<Item, Wire>(page: Page<Item>, toWire: (item: Item) => Wire) {
  return { object: "list" as const, data: page.items.map(toWire), next: page.next };
}
