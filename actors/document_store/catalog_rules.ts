import { kennelError } from "../../runtime/errors.ts";
import type { CollectionRecord, CollectionSettings } from "./collection_record.ts";
import type { IndexVersion } from "./index_version.ts";
import { stableJson } from "./stable_json.ts";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Settings a change of which would make the rows that are indexed wrong. */
const BUILT_IN = ["language", "embedding", "chunking"] as const satisfies readonly (keyof CollectionSettings)[];

export function checkName(name: string, param: string): void {
  if (NAME.test(name)) return;
  throw kennelError("invalid_request", { param, message: `${param} must be 1 to 64 letters, digits, _ or -` });
}

/** True: the collection is adopted, and stays so; what its owner's rows were made with can then be said anew. */
export function refuseOtherAdoption({ name, settings: known }: CollectionRecord, settings: CollectionSettings): boolean {
  const before = known.adopt;
  const after = settings.adopt;
  if (before === undefined && after === undefined) return false;
  const isSame = before?.collection === after?.collection && stableJson(before?.fields ?? {}) === stableJson(after?.fields ?? {});
  if (isSame) return true;
  const message =
    after === undefined
      ? `Collection "${name}" is adopted: give its adopt again, or delete it, which leaves the adopted collection as it is`
      : `Cannot adopt another collection, or other fields, as "${name}", which exists; delete it first`;
  throw kennelError("conflict", { param: "adopt", message });
}

export function refuseRebuild(known: CollectionRecord, settings: CollectionSettings): void {
  for (const field of BUILT_IN) {
    if (stableJson(known.settings[field]) === stableJson(settings[field])) continue;
    throw kennelError("conflict", {
      param: field,
      message: `Cannot change ${field} of collection "${known.name}" in place: what it holds was indexed with another; POST the new ${field} to /v1/collections/${known.name}/reindex`,
    });
  }
}

/** Builds that an alias may pin: the active one, one that is kept up, and those that were active. */
export function knownVersions({ version, versions }: CollectionRecord): number[] {
  const isWhole = (other: IndexVersion) => other.kind === "standby" || (other.kind === "retired" && other.retiredAtMs > 0);
  return [...versions.filter(isWhole).map((other) => other.version), version];
}
