import { PROFILE_DEFAULTS } from "./profiles.ts";
import { type Config, PROFILES, SETTINGS } from "./schema.ts";
import { listSettings, type PlacedSetting } from "./setting.ts";

const MASK = "[masked]";

/** The configuration as it may be shown to people: secrets that are set are masked. */
export function printableConfig(
  config: Config,
  settings: readonly PlacedSetting[] = listSettings(SETTINGS),
): Readonly<Record<string, unknown>> {
  const secrets = new Set(settings.filter((setting) => setting.isSecret).map((setting) => setting.key));
  const copy = (value: unknown, key: string): unknown => {
    if (secrets.has(key)) return value === "" ? "" : MASK;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copy(member, key === "" ? name : `${key}.${name}`)]));
  };
  return copy(config, "") as Record<string, unknown>;
}

/** Values of secrets that are set, the passwords inside addresses apart, too: what must stand in no log, span or event. */
export function secretValues(config: Config): readonly string[] {
  const values = listSettings(SETTINGS)
    .filter((setting) => setting.isSecret)
    .map(({ path }) => path.reduce<unknown>((group, name) => (group as Record<string, unknown>)[name], config));
  return values
    .filter((value) => typeof value === "string")
    .flatMap((value) => [
      ...value.split(","),
      ...[...value.matchAll(PASSWORD)].flatMap(([, password = ""]) => [password, decoded(password)]),
    ])
    .filter((value) => value !== "" && !ADDRESS_ALONE.test(value));
}

const PASSWORD = /:\/\/[^\s:/?#@]*:([^\s/?#@]+)@/g;
/** An address without user and password says where, not who. */
const ADDRESS_ALONE = /^[a-z][a-z0-9+.-]*:\/\/[^@?]*$/i;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Settings that an operator is likely to want; the README shows these, config/SETTINGS.md all. */
const EVERYDAY = [
  "profile",
  "nodeName",
  "dataDir",
  "logLevel",
  "auth",
  "keys.file",
  "embedding",
  "chat",
  "rerank.url",
  "milvus.url",
  "mongodb.url",
  "nats.url",
  "tracing",
  "alert.webhookUrl",
  "loadDocumentation",
  "http.host",
  "http.port",
  "http.corsOrigins",
  "retriever.maxBytes",
  "drain.limitMs",
];

export function everydaySettingsTable(): string {
  const byKey = new Map(listSettings(SETTINGS).map((setting) => [setting.key, setting]));
  return table(EVERYDAY.map((key) => byKey.get(key)).filter((setting) => setting !== undefined));
}

/** Every setting as Markdown. The limits of supervised children are shown once, then where a kind differs. */
export function allSettingsTables(): string {
  const settings = listSettings(SETTINGS);
  const isLimit = (setting: PlacedSetting) => setting.path[0] === "supervision";
  const profiles = PROFILES.map((profile) => {
    const differences = Object.entries(PROFILE_DEFAULTS[profile]).map(([key, value]) => `\`${key}\` ${show(value)}`);
    return `- \`${profile}\`: ${differences.join(", ") || "the defaults as they stand"}`;
  });
  return [
    table(settings.filter((setting) => !isLimit(setting))),
    "## Profiles\n\nWhat a profile changes:\n",
    profiles.join("\n"),
    "\n## Limits of supervised children\n",
    `Each kind has the same settings, \`supervision.<kind>.<name>\` or \`KENNEL_SUPERVISION_<KIND>_<NAME>\`; the kinds are ${kinds()
      .map((kind) => `\`${kind}\``)
      .join(", ")}.\n`,
    limitsTable(settings.filter(isLimit)),
  ].join("\n");
}

function kinds(): readonly string[] {
  return Object.keys(SETTINGS.supervision);
}

function table(settings: readonly PlacedSetting[]): string {
  const rows = settings.map(
    (setting) => `| \`${setting.key}\` | \`${setting.env}\` | ${show(setting.default)} | ${setting.description}${choices(setting)} |`,
  );
  return ["| key | environment | default | what it does |", "|---|---|---|---|", ...rows, ""].join("\n");
}

function limitsTable(limits: readonly PlacedSetting[]): string {
  const names = [...new Set(limits.map((setting) => setting.path[2] as string))];
  const rows = names.map((name) => {
    const same = limits.filter((setting) => setting.path[2] === name);
    const [usual, ...others] = [...Map.groupBy(same, (setting) => show(setting.default))].sort(
      (left, right) => right[1].length - left[1].length,
    );
    const differing = others.flatMap(([value, settings]) => settings.map((setting) => `${value} (${setting.path[1]})`));
    return `| \`${name}\` | ${[usual?.[0], ...differing].join(", ")} | ${same[0]?.description} |`;
  });
  return ["| name | default | what it does |", "|---|---|---|", ...rows, ""].join("\n");
}

function choices(setting: PlacedSetting): string {
  const options = "options" in setting.schema ? (setting.schema.options as readonly unknown[]) : [];
  return options.length < 2 ? "" : ` (${options.map((option) => `\`${option}\``).join(", ")})`;
}

function show(value: unknown): string {
  if (value === "") return "empty";
  if (Array.isArray(value) && value.length === 0) return "none";
  return `\`${String(value)}\``;
}
