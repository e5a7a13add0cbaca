import type { Scope } from "../../transport/transport.ts";
import type { CollectionSettings } from "../document_store/collection_record.ts";
import type { VisibleFilter } from "../vector_store/filter.ts";

/** The one place where it is worked out which documents of a collection are for who asks; null: all of them. */
export function visibleTo({ principals }: Pick<Scope, "principals">, acl: CollectionSettings["acl"]): VisibleFilter | null {
  return principals === null ? null : { type: "visible", principals, isOpen: acl !== "required" };
}
