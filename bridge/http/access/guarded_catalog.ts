import type { AliasRecord, CollectionRecord, CollectionSettings } from "../../../actors/document_store/collection_record.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { PageRequest } from "../../schema/pages.ts";
import type { CollectionCatalog } from "../collaborators.ts";
import type { Guard } from "./guard.ts";

/** The catalog as a grant sees it, under its own names (G1 to G4 of guarded_parts.ts). */
export class GuardedCatalog implements CollectionCatalog {
  readonly #inner: CollectionCatalog;
  readonly #guard: Guard;

  constructor(inner: CollectionCatalog, guard: Guard) {
    this.#inner = inner;
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
    const { record, outcome } = await this.#inner.put(whole, settings, signal);
    return { record: this.#guard.shown(record), outcome };
  }

  async delete(name: string, signal: AbortSignal) {
    return this.#inner.delete(this.#guard.enter(name), signal);
  }

  async putAlias(record: AliasRecord, signal: AbortSignal) {
    const [alias, collection] = [this.#guard.enter(record.alias), this.#guard.enter(record.collection)];
    return this.#inner.putAlias({ ...record, alias, collection }, signal);
  }

  async deleteAlias(alias: string, signal: AbortSignal) {
    return this.#inner.deleteAlias(this.#guard.enter(alias), signal);
  }
}
