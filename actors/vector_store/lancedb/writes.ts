import { type Connection, Index } from "@lancedb/lancedb";
import { kennelError } from "../../../runtime/errors.ts";
import type { AttributeSchema } from "../filter.ts";
import type { ChunkRow, IndexName, IndexSchema } from "../vector_store.ts";
import { encodeRows } from "./encode_rows.ts";
import { isExistingTable, isMissingTable } from "./failures.ts";
import { isOneOf } from "./predicate.ts";
import { attributeExpression, FIXED_COLUMNS, missingAttributes, readLayout, tableName, tableSchema } from "./table_schema.ts";
import type { OpenTable } from "./tables.ts";

/** Languages that LanceDB stems, by the names that collections use for them. */
const LANGUAGES = new Set(
  // biome-ignore format: a list
  ["arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian", "italian", "norwegian", "portuguese", "romanian",
    "russian", "spanish", "swedish", "tamil", "turkish"],
);
const NO_LANGUAGE = "none";

export async function createTable(connection: Connection, index: IndexName, schema: IndexSchema): Promise<void> {
  const language = textLanguage(schema.language);
  try {
    await connection.createEmptyTable(tableName(index), tableSchema(schema));
  } catch (thrown) {
    if (!isExistingTable(thrown)) throw thrown;
  }
  const table = await connection.openTable(tableName(index));
  try {
    // A process may have died between the table and its indexes; so each is looked for on its own.
    const indexed = new Set((await table.listIndices()).flatMap(({ columns }) => columns));
    if (!indexed.has(FIXED_COLUMNS.indexText)) await table.createIndex(FIXED_COLUMNS.indexText, { config: language });
    for (const column of [FIXED_COLUMNS.id, FIXED_COLUMNS.documentId]) {
      if (!indexed.has(column)) await table.createIndex(column, { config: Index.btree() });
    }
  } finally {
    table.close();
  }
}

/** Analysis of the lexical side. Positions are left out: nothing asks for phrases, and they make the index larger and slower. */
function textLanguage(language: string): Index {
  const analysis = { withPosition: false, baseTokenizer: "simple", lowercase: true, asciiFolding: true } as const;
  if (language === NO_LANGUAGE) return Index.fts({ ...analysis, stem: false, removeStopWords: false });
  if (!LANGUAGES.has(language)) {
    throw kennelError("invalid_request", {
      param: "language",
      message: `language is ${JSON.stringify(language.slice(0, 64))}; allowed: ${[NO_LANGUAGE, ...LANGUAGES].join(", ")}`,
    });
  }
  const name = language.charAt(0).toUpperCase() + language.slice(1);
  return Index.fts({ ...analysis, language: name, stem: true, removeStopWords: true });
}

export async function dropTable(connection: Connection, index: IndexName): Promise<void> {
  try {
    await connection.dropTable(tableName(index));
  } catch (thrown) {
    if (!isMissingTable(thrown)) throw thrown;
  }
}

export async function extendTable(open: OpenTable, attributes: AttributeSchema): Promise<void> {
  const missing = missingAttributes(open.layout, attributes);
  if (missing.length === 0) return;
  await open.table.addColumns(missing.map(([key, type]) => attributeExpression(key, type)));
  open.layout = readLayout(await open.table.schema());
}

/** One commit in each of its cases, so that no search and no crash sees half of it. */
export async function replaceDocuments(open: OpenTable, documentIds: readonly string[], rows: readonly ChunkRow[]): Promise<void> {
  if (documentIds.length === 0) return;
  const { table, layout } = open;
  const replaced = isOneOf(FIXED_COLUMNS.documentId, documentIds);
  if (rows.length === 0) {
    await table.delete(replaced);
    return;
  }
  const data = encodeRows(rows, layout);
  // A merge reads ids of the whole table; new documents, the common case of a load, need only an append.
  if ((await table.countRows(replaced)) === 0) {
    await table.add(data);
    return;
  }
  const merge = table.mergeInsert(FIXED_COLUMNS.id).whenMatchedUpdateAll().whenNotMatchedInsertAll();
  await merge.whenNotMatchedBySourceDelete({ where: replaced }).execute(data);
}
