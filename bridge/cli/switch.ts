import { collectionSchema } from "../schema/collections.ts";
import { collectionPath } from "./client.ts";
import type { CommandContext } from "./context.ts";

export interface SwitchOptions {
  readonly json: boolean;
  readonly to?: number;
}

/** Searches go to the build that is held or kept, and the one before is kept in its place. */
export async function switchBuild(
  { client, terminal, signal }: CommandContext,
  collection: string,
  options: SwitchOptions,
): Promise<number> {
  const value = options.to === undefined ? {} : { version: options.to };
  const record = await client.request("POST", `${collectionPath(collection)}/switch`, collectionSchema, {
    body: { kind: "json", value },
    signal,
  });
  if (options.json) terminal.out(JSON.stringify(record));
  else {
    const kept = record.versions.filter(({ status }) => status === "kept").map(({ version }) => `version ${version} is kept`);
    terminal.out(`${collection}: version ${record.version} is searched${kept.length === 0 ? "" : `, ${kept.join(", ")}`}`);
  }
  return 0;
}
