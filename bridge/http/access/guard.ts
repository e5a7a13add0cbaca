/**
 * What one grant covers, and what a tenant calls its collections. A tenant's collections have its name before theirs,
 * `acme--docs`; its keys say, and are told, `docs`. No tenant has a `-`, so the first `--` of a name ends it, and what a
 * tenant's key says stays behind its own.
 */
import type { CollectionRecord, CollectionSettings } from "../../../actors/document_store/collection_record.ts";
import { visibleTo } from "../../../actors/retriever/visibility.ts";
import type { VisibleFilter } from "../../../actors/vector_store/filter.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { OPEN_SCOPE, type Scope } from "../../../transport/transport.ts";
import { collectionMatcher, type Grant } from "../../keys/grant.ts";

const SEPARATOR = "--";
const MAX_NAME_LENGTH = 64;

export class Guard {
  readonly grant: Grant;
  /** The same object for every request of the grant. */
  readonly scope: Scope;
  readonly #prefix: string;
  readonly #isNamed: (collection: string) => boolean;
  /** Records are the same objects as long as they are in the catalog. */
  readonly #records = new WeakMap<CollectionRecord, CollectionRecord>();

  constructor(grant: Grant) {
    this.grant = grant;
    this.scope = { tenant: grant.tenant ?? OPEN_SCOPE.tenant, principals: grant.principals };
    this.#isNamed = collectionMatcher(grant.collections);
    this.#prefix = grant.tenant === null ? "" : grant.tenant + SEPARATOR;
  }

  get isTenants(): boolean {
    return this.#prefix !== "";
  }

  /** Whether the grant sees all documents of what it covers. */
  get seesAll(): boolean {
    return this.grant.principals === null;
  }

  /** Whether it may replace documents that it does not see, as what brings documents for others has to. */
  get replacesUnseen(): boolean {
    return this.seesAll || this.grant.replacesUnseen;
  }

  /** Before the first name that may be the grant's own, in their order. */
  get beforeNames(): string | null {
    return this.isTenants ? this.#prefix : null;
  }

  /** A collection's or alias's whole name. Throws `invalid_request`. */
  inward(name: string): string {
    const whole = this.#prefix + name;
    if (whole.length <= MAX_NAME_LENGTH || !this.isTenants) return whole;
    const limit = MAX_NAME_LENGTH - this.#prefix.length;
    throw kennelError("invalid_request", { message: `A name has ${name.length} characters; allowed: at most ${limit} for this tenant` });
  }

  /** What the caller calls it. */
  outward(whole: string): string {
    return whole.slice(this.#prefix.length);
  }

  isOwn(whole: string): boolean {
    return whole.startsWith(this.#prefix);
  }

  covers(whole: string): boolean {
    return this.isOwn(whole) && this.#isNamed(this.outward(whole));
  }

  /** @param named what the caller called it */
  require(whole: string, named: string): void {
    if (!this.covers(whole)) throw kennelError("forbidden", { message: `The key does not allow the collection "${named}"` });
  }

  /** The whole name of a collection that the grant covers. Throws `forbidden`. */
  enter(name: string): string {
    const whole = this.inward(name);
    this.require(whole, name);
    return whole;
  }

  /** The record under the name that the caller knows. */
  shown(record: CollectionRecord): CollectionRecord {
    if (!this.isTenants) return record;
    const known = this.#records.get(record);
    if (known !== undefined) return known;
    const shown = { ...record, name: this.outward(record.name) };
    this.#records.set(record, shown);
    return shown;
  }

  visible(acl: CollectionSettings["acl"]): VisibleFilter | null {
    return visibleTo(this.scope, acl);
  }
}
