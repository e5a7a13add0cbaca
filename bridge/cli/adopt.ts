import type { z } from "zod";
import { foreignCollectionSchema, foreignCollectionsSchema } from "../schema/adoptions.ts";
import { collectionSchema, type WireCollection } from "../schema/collections.ts";
import { collectionPath } from "./client.ts";
import type { CommandContext } from "./context.ts";
import { EXIT } from "./terminal.ts";

export interface AdoptOptions {
  readonly json: boolean;
  /** The collection to make; without one nothing is changed. */
  readonly as?: string;
  readonly mode?: string;
  /** Field by role; null: none. */
  readonly field: Readonly<Record<string, string | null>>;
}

const PATH = "/v1/vector_store/collections";

/** Lists what can be adopted, shows what adopting one would come to, or adopts it. */
export async function adopt(context: CommandContext, foreign: string | undefined, options: AdoptOptions): Promise<number> {
  if (foreign === undefined) return list(context, options);
  return options.as === undefined ? look(context, foreign, options) : take(context, foreign, options.as, options);
}

async function list({ client, terminal, signal }: CommandContext, { json }: AdoptOptions): Promise<number> {
  const answer = await client.request("GET", PATH, foreignCollectionsSchema, { signal });
  if (json) terminal.out(JSON.stringify(answer));
  else for (const { name, adopted_as: as } of answer.data) terminal.out(as.length === 0 ? name : `${name}  (adopted as ${as.join(", ")})`);
  if (!json && answer.data.length === 0) terminal.err("Milvus has no collections but Kennel's");
  return 0;
}

async function look({ client, terminal, signal }: CommandContext, foreign: string, { json }: AdoptOptions): Promise<number> {
  const found = await client.request("GET", `${PATH}/${encodeURIComponent(foreign)}`, foreignCollectionSchema, { signal });
  if (json) terminal.out(JSON.stringify(found));
  else for (const line of describeForeign(found)) terminal.out(line);
  return found.problem === null ? 0 : EXIT.failed;
}

async function take(
  { client, terminal, signal }: CommandContext,
  foreign: string,
  name: string,
  { json, mode, field }: AdoptOptions,
): Promise<number> {
  const value = { adopt: { collection: foreign, ...(mode === undefined ? {} : { mode }), fields: field } };
  const made = await client.request("PUT", collectionPath(name), collectionSchema, { body: { kind: "json", value }, signal });
  if (json) terminal.out(JSON.stringify(made));
  else for (const line of describeAdopted(made)) terminal.out(line);
  return 0;
}

type Foreign = z.output<typeof foreignCollectionSchema>;

function describeForeign({
  name,
  rows,
  fields,
  adopt: guess,
  adopted,
  problem,
  read_only_because: why,
  adopted_as: as,
}: Foreign): string[] {
  const size = rows === null ? "not loaded, so that its rows were not looked at" : `${rows} rows`;
  const types = new Map(fields.map((field) => [field.name, field.type]));
  const head = `${name}: ${size}${as.length === 0 ? "" : `, adopted as ${as.join(", ")}`}`;
  if (guess === null || adopted === null) {
    return [
      head,
      ...fields.map((field) => `  ${field.name}  ${field.type}`),
      `It can't be adopted as it stands: ${problem ?? "no reason given"}`,
    ];
  }
  return [
    head,
    ...describeMapping(guess.fields, adopted, types),
    why === null ? "It can be adopted read_only or read_write" : `Read-only: ${why}`,
    `Adopt it: kennel adopt ${name} --as NAME`,
  ];
}

function describeAdopted({ name, settings, adopted }: WireCollection): string[] {
  if (settings.adopt === undefined || adopted === undefined) return [`${name} has adopted nothing`];
  const { collection, mode, fields } = settings.adopt;
  return [`${name} has adopted ${collection}, ${mode}`, ...describeMapping(fields, adopted, new Map())];
}

function describeMapping(
  fields: NonNullable<Foreign["adopt"]>["fields"],
  adopted: NonNullable<Foreign["adopted"]>,
  types: ReadonlyMap<string, string>,
): string[] {
  const shown = (field: string) => (types.has(field) ? `${field} (${types.get(field)})` : field);
  const line = (label: string, value: string) => `  ${label.padEnd(12)} ${value}`;
  const attributes = Object.entries(adopted.attributes).map(([key, type]) => `${key} (${type})`);
  return [
    ...Object.entries(fields).map(([role, field]) => line(role, field === null ? "none" : shown(field))),
    line("attributes", attributes.join(", ") || "none"),
    line("left alone", adopted.ignored.map(({ field, type }) => `${field} (${type})`).join(", ") || "none"),
    line("vectors", `${adopted.dimensions} dimensions, ${adopted.metric}, ${adopted.index}`),
    line("strategies", adopted.strategies.join(", ")),
    ...adopted.notes.map((note) => `  ${note}`),
  ];
}
