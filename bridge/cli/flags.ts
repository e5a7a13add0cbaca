import type { z } from "zod";
import { flagSchema, flagsSchema } from "../schema/flags.ts";
import type { CommandContext } from "./context.ts";

export interface SwitchFlagOptions {
  readonly json: boolean;
  readonly scope: "node" | "cluster";
  readonly reason: string;
}

export interface ResetFlagOptions {
  readonly json: boolean;
  readonly scope?: "node" | "cluster";
}

type Flag = z.output<typeof flagSchema>;

/** What can be switched off while the server runs, and what is. */
export async function listFlags({ client, terminal, signal }: CommandContext, { json }: { readonly json: boolean }): Promise<number> {
  const flags = await client.request("GET", "/v1/flags", flagsSchema, { signal });
  if (json) terminal.out(JSON.stringify(flags));
  else {
    const width = Math.max(...flags.data.map(({ flag }) => flag.length), 0);
    for (const flag of flags.data) terminal.out(`${flag.flag.padEnd(width)}  ${describeFlag(flag)}`);
  }
  return 0;
}

export async function switchFlag(context: CommandContext, flag: string, enabled: boolean, options: SwitchFlagOptions): Promise<number> {
  const { client, signal } = context;
  const value = { enabled, scope: options.scope, reason: options.reason };
  return tell(context, await client.request("PUT", pathOf(flag), flagSchema, { body: { kind: "json", value }, signal }), options.json);
}

/** Its setting holds again. */
export async function resetFlag(context: CommandContext, flag: string, { scope, json }: ResetFlagOptions): Promise<number> {
  const path = scope === undefined ? pathOf(flag) : `${pathOf(flag)}?scope=${scope}`;
  return tell(context, await context.client.request("DELETE", path, flagSchema, { signal: context.signal }), json);
}

function tell({ terminal }: CommandContext, flag: Flag, json: boolean): number {
  terminal.out(json ? JSON.stringify(flag) : `${flag.flag}: ${describeFlag(flag)}`);
  return 0;
}

function pathOf(flag: string): string {
  return `/v1/flags/${encodeURIComponent(flag)}`;
}

function describeFlag({ enabled, source, reason, since, node, description }: Flag): string {
  const state = (enabled ? "on" : "off").padEnd(3);
  if (source === "settings") return `${state}  ${description}`;
  return `${state}  ${description}; said to the ${source} (${node}) at ${since}${reason === null ? "" : `: ${reason}`}`;
}
