import type { Adoption } from "../../adoption.ts";

const HNSW_LIKE = /^(HNSW|RHNSW|GPU_CAGRA)/;
const IVF_LIKE = /^(IVF|BIN_IVF|GPU_IVF|SCANN)/;
const DISK = /^DISKANN/;
/** Clusters that are searched of each inverted file, about; recall and cost rise with it. */
const PROBED_LISTS = 32;
/** Where an inverted file does not say how many it has: every server allows as few. */
const LEAST_PROBED_LISTS = 8;

/** What the collection's index is told on a search for the best `limit`; one that is not known has its own defaults. */
export function searchParameters({ index }: Pick<Adoption, "index">, efSearch: number, limit: number): Readonly<Record<string, number>> {
  const { type, lists } = index;
  if (HNSW_LIKE.test(type)) return { ef: Math.max(efSearch, limit) };
  if (IVF_LIKE.test(type)) return { nprobe: lists === null ? LEAST_PROBED_LISTS : Math.min(lists, PROBED_LISTS) };
  if (DISK.test(type)) return { search_list: Math.max(efSearch, limit) };
  return {};
}

/**
 * A score of the server as a cosine, greater is better, in -1..1. Between unit vectors it is one: the inner product, or
 * 1 - d / 2 where d is the squared distance that Milvus gives for L2. An inner product with vectors of any length goes
 * through the arc tangent, which keeps the order.
 */
export function toCosine({ metric, isUnit }: Pick<Adoption, "metric" | "isUnit">, score: number): number {
  switch (metric) {
    case "L2":
      return within(1 - score / 2);
    case "IP":
      return isUnit ? within(score) : (2 / Math.PI) * Math.atan(score);
    default:
      return within(score);
  }
}

function within(cosine: number): number {
  return Math.min(1, Math.max(-1, cosine));
}
