/**
 * Secrets from files: a variable of a secret with `_FILE` behind it names a file that holds the value, as container platforms
 * mount them. What is in a process's environment is seen by whoever may look at the process.
 */
import { resolve } from "node:path";
import type { Sources } from "./load.ts";
import type { PlacedSetting } from "./setting.ts";

const ENDING = "_FILE";
const MAX_CHARACTERS = 65_536;

interface Given {
  readonly value: unknown;
  readonly from: string;
}

/** Whether the variable names a secret's file, and is no setting of that name itself. */
export function isSecretFile(variable: string, settings: readonly PlacedSetting[]): boolean {
  return secretOf(variable, settings) !== null;
}

export function readSecretFiles(sources: Sources, settings: readonly PlacedSetting[], problems: string[]): [string, Given][] {
  return Object.entries(sources.environment).flatMap(([variable, path]): [string, Given][] => {
    const setting = secretOf(variable, settings);
    if (setting === null || path === undefined || path === "") return [];
    if ((sources.environment[setting.env] ?? "") !== "") {
      problems.push(`${setting.env} and ${variable} are both set; set one`);
      return [];
    }
    const value = read(sources, path);
    if (value === null) problems.push(`${variable}: cannot read the file, or it is empty or longer than ${MAX_CHARACTERS} characters`);
    return value === null ? [] : [[setting.key, { value, from: variable }]];
  });
}

/** The files that hold secrets; absolute. */
export function secretFiles(
  { environment, workingFolder }: Pick<Sources, "environment" | "workingFolder">,
  settings: readonly PlacedSetting[],
): readonly string[] {
  return Object.entries(environment).flatMap(([variable, path]) =>
    path === undefined || path === "" || !isSecretFile(variable, settings) ? [] : [resolve(workingFolder, path)],
  );
}

function secretOf(variable: string, settings: readonly PlacedSetting[]): PlacedSetting | null {
  if (!variable.endsWith(ENDING) || settings.some(({ env }) => env === variable)) return null;
  const named = variable.slice(0, -ENDING.length);
  return settings.find(({ env, isSecret }) => isSecret && env === named) ?? null;
}

/** Without the line's end that editors put behind it. */
function read({ readFile, workingFolder }: Sources, path: string): string | null {
  try {
    const text = readFile(resolve(workingFolder, path))?.replace(/\r?\n$/, "") ?? "";
    return text === "" || text.length > MAX_CHARACTERS ? null : text;
  } catch {
    return null;
  }
}
