/** What a key allows: a scope, in the collections that its pattern names, and of their documents those that are for its principals. */

/** Each allows what those before it allow. */
export const SCOPES = ["read", "write", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Grant {
  readonly scope: Scope;
  /** Names and beginnings of names, as `docs` or `docs-*`, with commas; `*`: every collection. */
  readonly collections: string;
  /** Whose collections they are; null: the operator's, who sees those of all tenants under their whole names. */
  readonly tenant: string | null;
  /** Whom documents are looked at for, sorted; null: for nobody, all of them are seen. */
  readonly principals: readonly string[] | null;
  /** It may replace documents that it does not see: a key that was given no principals brings documents for others. */
  readonly replacesUnseen: boolean;
  /** Who answers for the room that its files take: the tenant, else the key; null: an operator, or nobody where no key is asked for. */
  readonly owner: string | null;
}

/** As a key's record has them; null: what the node's settings say. */
export interface OwnLimits {
  readonly rate_per_second: number | null;
  readonly burst: number | null;
  readonly max_concurrent: number | null;
}

/** A caller whose key was found good. */
export interface Caller extends Grant {
  /** The key's id, which is no secret. */
  readonly keyId: string;
  /** Null: the node's settings limit it. */
  readonly limits: OwnLimits | null;
  /** It may say on whose behalf it asks. */
  readonly mayDelegate: boolean;
}

/** Part of the names of its collections (access/guard.ts), so that it has no `-`. */
export const TENANT = /^[a-z0-9]{1,16}$/;
const EVERY_COLLECTION = "*";
export const COLLECTIONS_PATTERN = /^([A-Za-z0-9_-]{1,64}\*?|\*)(,([A-Za-z0-9_-]{1,64}\*?|\*)){0,15}$/;

export function allowsScope(given: Scope, needed: Scope): boolean {
  return SCOPES.indexOf(given) >= SCOPES.indexOf(needed);
}

/** Whether the pattern names a collection; the pattern is read once. */
export function collectionMatcher(pattern: string): (collection: string) => boolean {
  if (namesEveryCollection(pattern)) return () => true;
  const parts = pattern.split(",");
  const names = new Set(parts.filter((part) => !part.endsWith("*")));
  const beginnings = parts.filter((part) => part.endsWith("*")).map((part) => part.slice(0, -1));
  return (collection) => names.has(collection) || beginnings.some((beginning) => collection.startsWith(beginning));
}

/** Whether the pattern names every collection there may be. */
export function namesEveryCollection(pattern: string): boolean {
  return pattern.split(",").includes(EVERY_COLLECTION);
}
