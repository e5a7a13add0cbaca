import { hostname } from "node:os";
import process from "node:process";
import type { Config } from "../config/schema.ts";

/** The node's name as a part of paths: what can't stand in one becomes a dash. */
export function nodeName(config: Config): string {
  const name = config.nodeName === "" ? hostname() : config.nodeName;
  return name.replace(/[^A-Za-z0-9_-]/gu, "-").slice(0, 64) || "kennel";
}

/** `deno 2.9.6`, `node 24.9.0` */
export function runtimeName(): string {
  const { deno, node } = process.versions as { readonly deno?: string; readonly node: string };
  return deno === undefined ? `node ${node}` : `deno ${deno}`;
}
