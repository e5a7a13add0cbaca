import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { createInterface } from "node:readline";
import { CommandError, EXIT } from "./terminal.ts";

/** One document found on disk, ready to be sent: as JSON, or as a file that the server parses. */
export type FoundDocument =
  | { readonly kind: "json"; readonly id: string; readonly json: string }
  | { readonly kind: "file"; readonly id: string; readonly mediaType: string; readonly bytes: Uint8Array<ArrayBuffer> };

const TEXT_FORMATS: Readonly<Record<string, string>> = {
  ".txt": "text",
  ".text": "text",
  ".md": "markdown",
  ".markdown": "markdown",
  ".html": "html",
  ".htm": "html",
};
const PARSED_TYPES: Readonly<Record<string, string>> = {
  ".pdf": "application/pdf",
  ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
};
const LINE_TYPES = [".jsonl", ".ndjson"];

/**
 * The files behind the paths, in order: files as named, folders with all they hold that Kennel can read, sorted by name,
 * hidden ones left out. @throws CommandError for a path that does not exist or a named file of another type
 */
export async function findFiles(paths: readonly string[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const info = await stat(path).catch(() => null);
    if (info === null) throw new CommandError(`Cannot find ${path}`, EXIT.misused);
    if (info.isDirectory()) files.push(...(await filesUnder(path)));
    else if (isReadable(path)) files.push(path);
    else throw new CommandError(`Cannot read ${path}: expected a file ending in ${readableTypes().join(", ")}`, EXIT.misused);
  }
  if (files.length === 0)
    throw new CommandError(`Found no file to read under ${paths.join(", ")}; expected ${readableTypes().join(", ")}`, EXIT.misused);
  return files;
}

async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = (await readdir(folder, { withFileTypes: true })).filter((entry) => !entry.name.startsWith("."));
  entries.sort((left, right) => (left.name < right.name ? -1 : 1));
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesUnder(path)));
    else if (entry.isFile() && isReadable(path)) files.push(path);
  }
  return files;
}

function readableTypes(): readonly string[] {
  return [...Object.keys(TEXT_FORMATS), ...Object.keys(PARSED_TYPES), ...LINE_TYPES];
}

const typeOf = (path: string) => extname(path).toLowerCase();
const isReadable = (path: string) => readableTypes().includes(typeOf(path));

/** The documents of the files, read one after the other. @throws CommandError naming the file and line at fault */
export async function* readDocuments(files: readonly string[], workingFolder: string): AsyncGenerator<FoundDocument> {
  for (const file of files) {
    if (LINE_TYPES.includes(typeOf(file))) yield* readLines(file);
    else yield await readWhole(file, idOf(file, workingFolder));
  }
}

/** Below the working folder the path from there, with slashes; elsewhere the file's folder and name. */
function idOf(file: string, workingFolder: string): string {
  const path = relative(workingFolder, resolve(workingFolder, file));
  const isInside = !path.startsWith("..") && !isAbsolute(path);
  return (isInside ? path : join(basename(dirname(file)), basename(file))).split(sep).join("/");
}

async function readWhole(file: string, id: string): Promise<FoundDocument> {
  const mediaType = PARSED_TYPES[typeOf(file)];
  const bytes = Uint8Array.from(await readFile(file));
  if (mediaType !== undefined) return { kind: "file", id, mediaType, bytes };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { kind: "json", id, json: JSON.stringify({ id, text, format: TEXT_FORMATS[typeOf(file)] }) };
  } catch (error) {
    throw new CommandError(`Cannot read ${file}: it is not UTF-8`, EXIT.failed, { cause: error });
  }
}

async function* readLines(file: string): AsyncGenerator<FoundDocument> {
  let number = 0;
  const input = createReadStream(file, { encoding: "utf8" });
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (line.trim() !== "") yield readLine(line, `${file}:${number}`);
    }
  } finally {
    input.destroy();
  }
}

/** Kennel's own fields, or those of BEIR's corpus.jsonl: `_id`, `title`, `text`, and `metadata` as attributes. */
function readLine(line: string, place: string): FoundDocument {
  const document = parseObject(line, place);
  const { _id, metadata, ...own } = document;
  const id = own.id ?? _id;
  if (typeof id !== "string" || id === "")
    throw new CommandError(`${place}: expected a document with an "id" (or "_id") that is a string`, EXIT.failed);
  const attributes = own.attributes ?? scalars(metadata);
  return { kind: "json", id, json: JSON.stringify({ ...own, id, ...(attributes === undefined ? {} : { attributes }) }) };
}

function parseObject(line: string, place: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new CommandError(`${place}: not JSON: ${(error as Error).message}`, EXIT.failed, { cause: error });
  }
  throw new CommandError(`${place}: expected an object`, EXIT.failed);
}

function scalars(metadata: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof metadata !== "object" || metadata === null) return undefined;
  const entries = Object.entries(metadata).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
