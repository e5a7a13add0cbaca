/** Keys of tests, in a file of their own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scope } from "../../../bridge/keys/grant.ts";
import { newKey } from "../../../bridge/keys/key.ts";
import { changeKeys, type KeyRecord } from "../../../bridge/keys/key_file.ts";

export interface KeyRig {
  readonly folder: string;
  readonly path: string;
  /** Makes a key of this grant, in the file. */
  add(scope: Scope, collections: string, changes?: Partial<KeyRecord>): Promise<{ readonly id: string; readonly key: string }>;
  change(id: string, changes: Partial<KeyRecord>): Promise<void>;
  remove(): Promise<void>;
}

export async function keyRig(): Promise<KeyRig> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-keys-"));
  const path = join(folder, "keys.json");
  return {
    folder,
    path,
    async add(scope, collections, changes = {}) {
      const { id, key, digest } = newKey();
      const record: KeyRecord = {
        id,
        name: "test",
        scope,
        collections,
        digest: digest.toString("hex"),
        created_at: "2026-01-01T00:00:00.000Z",
        expires_at: null,
        revoked_at: null,
        ...changes,
      };
      await changeKeys(path, (keys) => [...keys, record]);
      return { id, key };
    },
    change: (id, changes) => changeKeys(path, (keys) => keys.map((record) => (record.id === id ? { ...record, ...changes } : record))),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
