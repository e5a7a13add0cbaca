import type { Connection, Table } from "@lancedb/lancedb";
import { Changes } from "../changes.ts";
import type { IndexName } from "../vector_store.ts";
import { readLayout, type TableLayout, tableName } from "./table_schema.ts";

/** A table held open; its caches in LanceDB are what makes a search warm. */
export interface OpenTable {
  readonly table: Table;
  /** Replaced when columns are added. */
  layout: TableLayout;
  /** Scans that read an old state: while there are any, no old version is removed. */
  scans: number;
}

interface Entry {
  readonly opening: Promise<OpenTable>;
  /** Null until it is open. */
  opened: OpenTable | null;
  users: number;
  isEvicted: boolean;
}

/**
 * Open tables by index, least recently used first out. Invariants:
 *   T1. A table is opened once, however many ask at the same time.
 *   T2. It is closed only when nobody uses it; one in use may exceed the bound until it is let go.
 *   T3. Changes of one index run one after the other; searches never wait for them.
 */
export class TableCache {
  readonly #connection: Connection;
  readonly #maxOpen: number;
  readonly #entries = new Map<string, Entry>();
  readonly #changes = new Changes();

  constructor(connection: Connection, maxOpen: number) {
    this.#connection = connection;
    this.#maxOpen = maxOpen;
  }

  get openTables(): number {
    return this.#entries.size;
  }

  /** Runs `work` on the index's table, opening it first unless it is open. Rejects with LanceDB's error when there is no table. */
  async use<Result>(index: IndexName, work: (open: OpenTable) => Promise<Result>): Promise<Result> {
    const name = tableName(index);
    const entry = this.#entry(name);
    entry.users += 1;
    try {
      return await work(await entry.opening);
    } finally {
      entry.users -= 1;
      if (entry.isEvicted && entry.users === 0) closeQuietly(entry);
      this.#evictBeyondBound();
    }
  }

  /** Like `use`, but alone among the changes of this index. T3 */
  change<Result>(index: IndexName, work: (open: OpenTable) => Promise<Result>): Promise<Result> {
    return this.alone(index, () => this.use(index, work));
  }

  /** Runs `work` after every earlier change of this index has ended. T3 */
  alone<Result>(index: IndexName, work: () => Promise<Result>): Promise<Result> {
    return this.#changes.alone(tableName(index), work);
  }

  /** Lets go of the index's table; who uses it goes on with it. */
  forget(index: IndexName): void {
    const name = tableName(index);
    const entry = this.#entries.get(name);
    if (entry !== undefined) this.#evict(name, entry);
  }

  /** An open table, whichever was used last; null: none is open. */
  lastUsed(): OpenTable | null {
    return [...this.#entries.values()].findLast(({ opened }) => opened !== null)?.opened ?? null;
  }

  /** Waits for changes under way, then closes all tables. */
  async close(): Promise<void> {
    await this.#changes.ended();
    for (const [name, entry] of this.#entries) this.#evict(name, entry);
  }

  #entry(name: string): Entry {
    const held = this.#entries.get(name);
    if (held !== undefined) {
      this.#entries.delete(name); // to the end: most recently used
      this.#entries.set(name, held);
      return held;
    }
    const entry: Entry = { opening: this.#open(name), opened: null, users: 0, isEvicted: false };
    this.#entries.set(name, entry);
    const onFailed = () => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
    };
    entry.opening.then((opened) => {
      entry.opened = opened;
    }, onFailed);
    return entry;
  }

  async #open(name: string): Promise<OpenTable> {
    const table = await this.#connection.openTable(name);
    return { table, layout: readLayout(await table.schema()), scans: 0 };
  }

  #evictBeyondBound(): void {
    for (const [name, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxOpen) return;
      if (entry.users === 0) this.#evict(name, entry);
    }
  }

  #evict(name: string, entry: Entry): void {
    this.#entries.delete(name);
    entry.isEvicted = true;
    if (entry.users === 0) closeQuietly(entry);
  }
}

function closeQuietly(entry: Entry): void {
  entry.opening.then(({ table }) => table.close(), ignore);
}

function ignore(): void {}
