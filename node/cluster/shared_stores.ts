import { createHash } from "node:crypto";
import { parseMilvusAddresses } from "../../config/milvus_addresses.ts";
import { parseMongoAddress } from "../../config/mongodb_address.ts";
import type { Config } from "../../config/schema.ts";
import type { Random } from "../../runtime/random.ts";

export interface SharedStores {
  /** One token of a subject. */
  readonly digest: string;
  /** False: another node cannot have them. */
  readonly isShared: boolean;
}

/**
 * What a node says of its stores, so that only nodes with the same ones share their work: a digest of their addresses, or,
 * where a store lies in the node's own folder, a word that no other node says.
 */
export function storesOf({ milvus, mongodb, embedding }: Config, random: Random): SharedStores {
  const vectors = parseMilvusAddresses(milvus.url) ?? [];
  const documents = parseMongoAddress(mongodb.url);
  if (vectors.length === 0 || documents === null)
    return { digest: `own-${Math.floor(random.next() * 2 ** 52).toString(36)}`, isShared: false };
  const said = [
    vectors.map(({ address }) => address).sort(),
    milvus.database,
    [...documents.hosts].sort(),
    databaseOf(mongodb.url),
    embedding,
  ];
  return { digest: createHash("sha256").update(JSON.stringify(said)).digest("hex").slice(0, 32), isShared: true };
}

/** What tells this node's cluster from others; `alone`: it can be in none. */
export function clusterName(config: Config, random: Random): string {
  const { digest, isShared } = storesOf(config, random);
  return isShared && config.nats.url !== "" ? digest : "alone";
}

/** Of an address that has been read; a comma or an `@` may stand in its password and options. */
function databaseOf(url: string): string {
  return /^mongodb:\/\/[^/?#]*\/?([^?#]*)/.exec(url)?.[1] ?? "";
}
