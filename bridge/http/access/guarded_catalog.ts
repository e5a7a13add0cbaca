import type { AliasRecord, CollectionRecord, CollectionSettings } from "../../../actors/document_store/collection_record.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { PageRequest } from "../../schema/pages.ts";
import type { CollectionCatalog, DocumentReader } from "../collaborators.ts";
import type { Guard } from "./guard.ts";

/** The catalog as a grant sees it, under its own names (G1 to G4 of guarded_parts.ts). */
export class GuardedCatalog implements CollectionCatalog {
  readonly #inner: CollectionCatalog;
  readonly #documents: Pick<DocumentReader, "listDocuments">;
  readonly #guard: Guard;

  constructor(inner: CollectionCatalog, documents: Pick<DocumentReader, "listDocuments">, guard: Guard) {
    this.#inner = inner;
    this.#documents = documents;
    this.#guard = guard;
  }

  resolve(nameOrAlias: string) {
    const guard = this.#guard;
    const whole = guard.inward(nameOrAlias);
    const resolved = this.#inner.resolve(whole);
    guard.require(resolved?.record.name ?? whole, nameOrAlias); // G1, G2
    return resolved === null || !guard.isTenants ? resolved : { ...resolved, record: guard.shown(resolved.record) };
  }

  list({ after, limit }: PageRequest) {
    const guard = this.#guard;
    const items: CollectionRecord[] = [];
    let from = after === null ? guard.beforeNames : guard.inward(after);
    do {
      const page: ReturnType<CollectionCatalog["list"]> = this.#inner.list({ after: from, limit });
      for (const record of page.items) if (guard.covers(record.name)) items.push(guard.shown(record));
      const last = page.items.at(-1);
      from = last !== undefined && guard.isOwn(last.name) ? page.next : null; // behind a tenant's names are no more of them
    } while (from !== null && items.length <= limit);
    const isMore = items.length > limit;
    const shown = items.slice(0, limit);
    return { items: shown, next: isMore ? (shown.at(-1)?.name ?? null) : null };
  }

  aliases() {
    const guard = this.#guard;
    const own = this.#inner.aliases().filter(({ alias, collection }) => guard.isOwn(alias) && guard.covers(collection));
    if (!guard.isTenants) return own;
    return own.map((record) => ({ ...record, alias: guard.outward(record.alias), collection: guard.outward(record.collection) }));
  }

  async put(name: string, settings: CollectionSettings, signal: AbortSignal) {
    const whole = this.#guard.enter(name);
    const known = this.#inner.resolve(whole)?.record;
    // G5: documents that are nobody's are not made everyone's by who does not see them.
    if (known?.name === whole && known.settings.acl === "required" && settings.acl !== "required" && !this.#guard.seesAll) {
      const message = `Collection "${name}" has acl "required"; only an administrator's key may take that back`;
      throw kennelError("forbidden", { param: "acl", message });
    }
    if (known?.name === whole && isShorter(settings.ttlSeconds, known.settings.ttlSeconds))
      await this.#requireEndable(known, "ttl_seconds", "give it a shorter ttl_seconds", signal);
    const { record, outcome } = await this.#inner.put(whole, settings, signal);
    return { record: this.#guard.shown(record), outcome };
  }

  async delete(name: string, signal: AbortSignal) {
    const whole = this.#guard.enter(name);
    const known = this.#inner.resolve(whole)?.record;
    if (known?.name === whole) await this.#requireEndable(known, "collection", "delete it", signal);
    return this.#inner.delete(whole, signal);
  }

  async putAlias(record: AliasRecord, signal: AbortSignal) {
    const [alias, collection] = [this.#guard.enter(record.alias), this.#guard.enter(record.collection)];
    return this.#inner.putAlias({ ...record, alias, collection }, signal);
  }

  async deleteAlias(alias: string, signal: AbortSignal) {
    return this.#inner.deleteAlias(this.#guard.enter(alias), signal);
  }

  /** G6: whose documents a collection has is not asked of each of them; one that has any is for who may write for others. */
  async #requireEndable({ name, settings }: CollectionRecord, param: string, what: string, signal: AbortSignal): Promise<void> {
    if (this.#guard.replacesUnseen) return;
    const isEmpty =
      settings.adopt === undefined && (await this.#documents.listDocuments(name, { after: null, limit: 1 }, signal)).items.length === 0;
    if (isEmpty) return;
    const message = `Collection "${this.#guard.outward(name)}" has documents, and may have some that are not for this key's principals; a key without principals may ${what}`;
    throw kennelError("forbidden", { param, message });
  }
}

/** Null: for ever. */
function isShorter(next: number | null, before: number | null): boolean {
  return next !== null && (before === null || next < before);
}
