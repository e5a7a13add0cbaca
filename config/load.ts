import { join, resolve } from "node:path";
import { modelProblems } from "./embedding_choice.ts";
import { natsProblems, withAbsolutePaths } from "./nats_addresses.ts";
import { PROFILE_DEFAULTS } from "./profiles.ts";
import { type Config, PROFILES, type Profile, SETTINGS } from "./schema.ts";
import { isSecretFile, readSecretFiles } from "./secret_files.ts";
import { isSetting, listSettings, type PlacedSetting, type SettingGroup } from "./setting.ts";
import { tlsProblems, withAbsoluteTlsPaths } from "./tls_files.ts";

/** Where a configuration comes from; `systemSources` reads a real machine. */
export interface Sources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The text of a file; null: there is none. */
  readonly readFile: (path: string) => string | null;
  readonly hostName: () => string;
  readonly workingFolder: string;
}

/** Everything that is wrong with a configuration, at once. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** Read by the command line and the launcher, not by a node. */
const CLIENT_VARIABLES = ["KENNEL_CONFIG", "KENNEL_URL", "KENNEL_API_KEY", "KENNEL_API_KEY_FILE"];
const DEFAULT_FILE = "kennel.json";

interface Given {
  readonly value: unknown;
  /** How a message calls it: `KENNEL_HTTP_PORT`, `"http.port" in kennel.json`. */
  readonly from: string;
}

/**
 * Defaults, then the profile's, then a JSON file (`KENNEL_CONFIG`, or kennel.json where it exists), then the
 * environment; the later wins. @throws ConfigError
 */
export function loadConfig(sources: Sources): Config {
  const problems: string[] = [];
  const settings = listSettings(SETTINGS);
  const given = new Map<string, Given>([
    ...readConfigFile(sources, settings, problems),
    ...readSecretFiles(sources, settings, problems),
    ...readEnvironment(sources.environment, settings, problems),
  ]);
  const profile = readProfile(given);
  const values: Record<string, unknown> = {};
  for (const setting of settings) {
    const fallback = PROFILE_DEFAULTS[profile][setting.key] ?? setting.default;
    place(values, setting.path, check(setting, given.get(setting.key), fallback, problems));
  }
  // Every setting has been placed at its path, and checked by its own schema where it was given.
  const config = values as Unresolved;
  problems.push(...findContradictions(config));
  if (problems.length > 0) throw new ConfigError(problems);
  const dataDir = resolve(sources.workingFolder, config.dataDir);
  return {
    ...config,
    auth: resolvedAuth(config),
    keys: { ...config.keys, file: config.keys.file === "" ? join(dataDir, "keys.json") : resolve(sources.workingFolder, config.keys.file) },
    nodeName: config.nodeName || toNodeName(sources.hostName()),
    dataDir,
    nats: withAbsolutePaths(config.nats, sources.workingFolder),
    backup: { ...config.backup, folder: config.backup.folder && resolve(sources.workingFolder, config.backup.folder) },
    urlFetch: { ...config.urlFetch, caFile: config.urlFetch.caFile && resolve(sources.workingFolder, config.urlFetch.caFile) },
    tls: withAbsoluteTlsPaths(config.tls, sources.workingFolder),
  };
}

/** Where the configuration's file lies, or would lie. */
export function configFilePath(sources: Pick<Sources, "environment" | "workingFolder">): string {
  return resolve(sources.workingFolder, sources.environment.KENNEL_CONFIG || DEFAULT_FILE);
}

function readConfigFile(sources: Sources, settings: readonly PlacedSetting[], problems: string[]): [string, Given][] {
  const named = sources.environment.KENNEL_CONFIG;
  const path = named || DEFAULT_FILE;
  const text = sources.readFile(configFilePath(sources));
  if (text === null) {
    if (named) problems.push(`KENNEL_CONFIG: cannot read the file ${named}`);
    return [];
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    problems.push(`${path}: not JSON: ${(error as Error).message}`);
    return [];
  }
  if (!isObject(parsed)) {
    problems.push(`${path}: expected an object of settings`);
    return [];
  }
  return flatten(parsed, SETTINGS, [], path, settings, problems);
}

function flatten(
  object: Readonly<Record<string, unknown>>,
  group: SettingGroup,
  path: readonly string[],
  file: string,
  settings: readonly PlacedSetting[],
  problems: string[],
): [string, Given][] {
  return Object.entries(object).flatMap(([name, value]): [string, Given][] => {
    const key = [...path, name].join(".");
    const from = `"${key}" in ${file}`;
    const member = Object.hasOwn(group, name) ? group[name] : undefined;
    if (member === undefined) {
      problems.push(
        `${from} is not a setting${suggest(
          key,
          settings.map((setting) => setting.key),
        )}`,
      );
      return [];
    }
    if (isSetting(member)) return [[key, { value, from }]];
    if (isObject(value)) return flatten(value, member, [...path, name], file, settings, problems);
    problems.push(`${from}: expected an object of settings`);
    return [];
  });
}

function readEnvironment(environment: Sources["environment"], settings: readonly PlacedSetting[], problems: string[]): [string, Given][] {
  const byName = new Map(settings.map((setting) => [setting.env, setting]));
  return Object.entries(environment).flatMap(([name, text]): [string, Given][] => {
    if (CLIENT_VARIABLES.includes(name) || text === undefined) return [];
    const setting = byName.get(name);
    if (setting !== undefined) return [[setting.key, { value: parseText(setting, text), from: name }]];
    if (!name.startsWith("KENNEL_") || isSecretFile(name, settings)) return [];
    problems.push(`${name} is not a setting${suggest(name, [...byName.keys()])}`);
    return [];
  });
}

/** Text as the setting's own kind of value; what is none stays text, so that the schema says what was given. */
function parseText(setting: PlacedSetting, text: string): unknown {
  if (Array.isArray(setting.default)) {
    const items = text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
    // Whether numbers are wanted, the schema alone knows.
    const numbers = items.map(Number);
    return numbers.every(Number.isFinite) && setting.schema.safeParse(numbers).success ? numbers : items;
  }
  if (typeof setting.default === "boolean") return text === "true" ? true : text === "false" ? false : text;
  if (typeof setting.default === "number") return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  return text;
}

function readProfile(given: ReadonlyMap<string, Given>): Profile {
  const value = given.get("profile")?.value;
  // A wrong name is reported with the other problems; until then the defaults are those of the first profile.
  return PROFILES.find((name) => name === value) ?? PROFILES[0];
}

function check(setting: PlacedSetting, given: Given | undefined, fallback: unknown, problems: string[]): unknown {
  if (given === undefined) return fallback;
  const parsed = setting.schema.safeParse(given.value);
  if (parsed.success) return parsed.data;
  const shown = setting.isSecret ? "" : `, found ${JSON.stringify(given.value)}`;
  problems.push(`${given.from}: ${parsed.error.issues.map((issue) => issue.message.replace("Invalid input: ", "")).join("; ")}${shown}`);
  return fallback;
}

type Unresolved = Omit<Config, "auth"> & { readonly auth: "auto" | "off" | "required" };

function resolvedAuth({ auth, http }: Unresolved): Config["auth"] {
  return auth === "auto" ? (isLoopback(http.host) ? "off" : "required") : auth;
}

/** What no single setting can know. */
function findContradictions(config: Unresolved): readonly string[] {
  const problems: string[] = [];
  problems.push(...modelProblems(config));
  if (config.nats.calloutSeedFile !== "" && resolvedAuth(config) === "off")
    problems.push("nats.calloutSeedFile is set and callers need no key; set auth to required");
  if (config.drain.graceMs > config.drain.limitMs) problems.push("drain.graceMs is longer than drain.limitMs, which holds all of a drain");
  if (config.http.defaultTimeoutMs > config.http.maxTimeoutMs) problems.push("http.defaultTimeoutMs is longer than http.maxTimeoutMs");
  if (config.milvus.minPoolSize > config.milvus.maxPoolSize) problems.push("milvus.minPoolSize is larger than milvus.maxPoolSize");
  if (config.mongodb.minPoolSize > config.mongodb.maxPoolSize) problems.push("mongodb.minPoolSize is larger than mongodb.maxPoolSize");
  if (config.urlIngest === "on" && config.urlFetch.hosts.length === 0)
    problems.push("urlIngest is on and urlFetch.hosts names no host: list those that documents may be fetched from; *: all public ones");
  if (config.backup.folder !== "" && config.mongodb.url !== "")
    problems.push("backup.folder is for the embedded document store: documents in MongoDB are backed up with its own tools");
  problems.push(...natsProblems(config), ...tlsProblems(config));
  for (const [kind, limits] of Object.entries(config.supervision)) {
    if (limits.backoffMs > limits.maxBackoffMs) problems.push(`supervision.${kind}.backoffMs is longer than its maxBackoffMs`);
    if (limits.stopGraceMs > limits.stopLimitMs) problems.push(`supervision.${kind}.stopGraceMs is longer than its stopLimitMs`);
  }
  return problems;
}

/** Whether only this machine can reach the address. A name other than `localhost` may resolve to anything. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

function suggest(name: string, known: readonly string[]): string {
  const wanted = plain(name);
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(wanted, plain(candidate)) }))
    .reduce((best, next) => (next.distance < best.distance ? next : best));
  return near.distance <= Math.max(2, wanted.length / 4) ? `; did you mean ${near.candidate}?` : "";
}

const plain = (name: string) => name.replaceAll(/[^A-Za-z0-9]/g, "").toLowerCase();

/** Levenshtein's distance between two short names. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (const [at, letter] of [...left].entries()) {
    const next = [at + 1];
    for (let column = 1; column <= right.length; column++) {
      const change = (row[column - 1] ?? 0) + (right[column - 1] === letter ? 0 : 1);
      next.push(Math.min(change, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

function toNodeName(hostName: string): string {
  return hostName.replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, 64) || "kennel";
}

function place(values: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let group = values;
  for (const name of path.slice(0, -1)) {
    group[name] ??= {};
    group = group[name] as Record<string, unknown>;
  }
  group[path.at(-1) as string] = value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
