/** When each key was last used on a node: kept in its data folder, for `kennel keys list`. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const FILE = "keys_used.json";
const usesSchema = z.record(z.string().regex(/^[0-9a-f]{12}$/), z.number());

/** Milliseconds since the Unix epoch by key id; what cannot be read counts as never used. */
export async function readLastUses(dataDir: string): Promise<Map<string, number>> {
  try {
    return new Map(Object.entries(usesSchema.parse(JSON.parse(await readFile(join(dataDir, FILE), "utf8")))));
  } catch {
    return new Map(); // no key was used yet, or a disk that is broken: it decides nothing
  }
}

export async function writeLastUses(dataDir: string, uses: ReadonlyMap<string, number>): Promise<void> {
  const path = join(dataDir, FILE);
  await writeFile(`${path}.draft`, JSON.stringify(Object.fromEntries(uses)), { mode: 0o600 });
  await rename(`${path}.draft`, path);
}
