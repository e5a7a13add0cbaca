/**
 * Keys on disk, hashed: one JSON file that the command line changes and nodes watch.
 *
 * Invariants:
 *   K1. The file is whole at any time: a change is written to a draft, synced and renamed over it.
 *   K2. Two changes never overlap: the draft is made by one of them alone.
 */
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { kennelError } from "../../runtime/errors.ts";
import { COLLECTIONS_PATTERN, SCOPES, TENANT } from "./grant.ts";
import { MAX_PRINCIPAL_LENGTH, MAX_PRINCIPALS } from "./principals.ts";

export const MAX_KEYS = 10_000;
/** A draft that is older was left by a process that was killed. */
const STALE_DRAFT_MS = 10_000;

/** Null: the node's settings say; 0: no limit. */
const limitsSchema = z.object({
  rate_per_second: z.number().min(0).max(1_000_000).nullable(),
  burst: z.int().min(0).max(1_000_000).nullable(),
  max_concurrent: z.int().min(0).max(1_000_000).nullable(),
});
const recordSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  name: z.string().min(1).max(128),
  scope: z.enum(SCOPES),
  collections: z.string().regex(COLLECTIONS_PATTERN),
  /** SHA-256 of the key, in hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().nullable(),
  revoked_at: z.iso.datetime().nullable(),
  limits: limitsSchema.nullish(),
  tenant: z.string().regex(TENANT).optional(),
  /** Sorted. */
  principals: z.array(z.string().min(1).max(MAX_PRINCIPAL_LENGTH)).max(MAX_PRINCIPALS).optional(),
  delegate: z.literal(true).optional(),
});
const fileSchema = z.object({ version: z.union([z.literal(1), z.literal(2)]), keys: z.array(recordSchema).max(MAX_KEYS) });

export type KeyRecord = z.output<typeof recordSchema>;

/** No file is no keys. Throws `internal` for a file that is not one of keys; what stands in it is never shown. */
export async function readKeys(path: string): Promise<readonly KeyRecord[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    if (isMissing(thrown)) return [];
    throw thrown;
  }
  try {
    return fileSchema.parse(JSON.parse(text)).keys;
  } catch {
    throw kennelError("internal", { message: "The file of keys (keys.file) is not one that kennel keys has made, or of a newer version" });
  }
}

/** What changes when the file does; null: there is none. */
export async function fileStamp(path: string): Promise<string | null> {
  try {
    const { ino, size, mtimeMs, ctimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (thrown) {
    if (isMissing(thrown)) return null;
    throw thrown;
  }
}

/** Reads, changes and writes in one go. Throws `conflict` while another process does. */
export async function changeKeys(path: string, change: (keys: readonly KeyRecord[]) => readonly KeyRecord[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.draft`;
  const file = await openAlone(draft); // K2
  try {
    const keys = change(await readKeys(path));
    await file.writeFile(`${JSON.stringify({ version: versionOf(keys), keys }, null, 1)}\n`);
    await file.sync();
    await file.close();
    await rename(draft, path); // K1
  } catch (thrown) {
    await file.close().catch(() => {});
    await rm(draft, { force: true });
    throw thrown;
  }
}

/** A Kennel that does not know of tenants and principals must not take such a key for one of an operator. */
function versionOf(keys: readonly KeyRecord[]): 1 | 2 {
  return keys.some(({ tenant, principals, delegate }) => tenant !== undefined || principals !== undefined || delegate === true) ? 2 : 1;
}

async function openAlone(draft: string) {
  try {
    return await open(draft, "wx", 0o600);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
    const made = await stat(draft).catch(() => null);
    if (made !== null && Date.now() - made.mtimeMs < STALE_DRAFT_MS)
      throw kennelError("conflict", { message: "The keys are being changed by another process; try again" });
    await rm(draft, { force: true });
    return open(draft, "wx", 0o600);
  }
}

function isMissing(thrown: unknown): boolean {
  return (thrown as NodeJS.ErrnoException).code === "ENOENT";
}
