import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { Sources } from "./load.ts";

/** This process's environment, working folder and files. */
export function systemSources(): Sources {
  return { environment: process.env, readFile: readTextIfThere, hostName: hostname, workingFolder: process.cwd() };
}

function readTextIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
