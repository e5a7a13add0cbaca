import { copyFile, link, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import Database from "libsql";

const SNAPSHOTS_FOLDER = "indexes";
const TABLES_FOLDER = "vectors";
const DATABASE_FILE = "kennel.db";

/**
 * Makes collections equal to one that a node has ingested and let go of: the record under another name, its LanceDB table
 * as links to the same files (they are written once and never changed), its snapshot as a copy of its own, so that loading
 * each reads other bytes. The documents themselves are not copied: no search over memory reads them, and 200 collections of
 * 10,000 chunks would take an hour to ingest.
 * @param folder the data folder of a node that has stopped
 */
export async function cloneCollection(folder: string, template: string, names: readonly string[]): Promise<void> {
  cloneRecords(join(folder, DATABASE_FILE), template, names);
  const snapshots = await entriesOf(join(folder, SNAPSHOTS_FOLDER), `${template}.v`);
  const tables = await entriesOf(join(folder, TABLES_FOLDER), `${template}.v`);
  if (snapshots.length === 0 || tables.length === 0) throw new Error(`${template} has no snapshot or no table to be copied`);
  for (const name of names) {
    const renamed = (entry: string) => `${name}${entry.slice(template.length)}`;
    for (const entry of snapshots) await copyFile(join(folder, SNAPSHOTS_FOLDER, entry), join(folder, SNAPSHOTS_FOLDER, renamed(entry)));
    for (const entry of tables) await linkFolder(join(folder, TABLES_FOLDER, entry), join(folder, TABLES_FOLDER, renamed(entry)));
  }
}

function cloneRecords(path: string, template: string, names: readonly string[]): void {
  const database = new Database(path);
  try {
    const columns = (database.prepare("PRAGMA table_info(collections)").all() as readonly { name: string; pk: number }[])
      .filter(({ name, pk }) => pk === 0 && name !== "name")
      .map(({ name }) => `"${name}"`)
      .join(", ");
    const clone = database.prepare(`INSERT INTO collections (name, ${columns}) SELECT ?, ${columns} FROM collections WHERE name = ?`);
    database.exec("BEGIN");
    for (const name of names) clone.run([name, template]);
    database.exec("COMMIT");
  } finally {
    database.close();
  }
}

async function entriesOf(folder: string, prefix: string): Promise<string[]> {
  return (await readdir(folder)).filter((entry) => entry.startsWith(prefix));
}

async function linkFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    await (entry.isDirectory() ? linkFolder(source, target) : link(source, target));
  }
}
