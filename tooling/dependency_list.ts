/** docs/DEPENDENCIES.md: what Kennel is made of, from package.json, the lock file and the README's reasons. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./command.ts";

export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, as the package says; null: it does not. */
  readonly licence: string | null;
  /** Comes with an installation without development's packages. */
  readonly isShipped: boolean;
  /** Of one platform among several. */
  readonly isOptional: boolean;
}

interface LockEntry {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly link?: boolean;
  readonly peer?: boolean;
}

/** Licences that ask for no more than their text and a notice; the others are looked at one by one. */
const PERMISSIVE = [
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Python-2.0",
  "Unlicense",
  "Zlib",
];

/** What a package does not say in its manifest, or not as SPDX has it, out of its own licence file. */
const READ_IN_FILE: Readonly<Record<string, string>> = {
  "@llamaindex/core": "MIT",
  "@llamaindex/env": "MIT",
  "base-64": "MIT",
  "cohere-ai": "MIT",
  duck: "BSD-2-Clause",
  flatbuffers: "Apache-2.0",
  "json-bignum": "MIT",
};

/** Not permissive, and why they ship all the same. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  memium: "LGPL, unchanged and replaceable as any package is: Milvus' client brings it for Parquet files, which Kennel does not read",
  utilium: "the same",
  "@img/sharp-*": "libvips, LGPL, in builds for images that LanceDB brings along; the image leaves them out, and Kennel reads no images",
};

/** Every package of the lock file, each version once, by name. */
export function lockedPackages(): readonly LockedPackage[] {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, LockEntry>>;
  };
  const found = new Map<string, LockedPackage>();
  for (const [path, { version, license, dev, devOptional, optional, link, peer }] of Object.entries(lock.packages)) {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    if (path === "" || version === undefined || link === true) continue;
    if (peer === true && optional === true) continue; // offered to others, and installed by nobody who does not ask for it
    const known = found.get(`${name} ${version}`);
    const isShipped = (known?.isShipped ?? false) || (dev !== true && devOptional !== true);
    found.set(`${name} ${version}`, {
      name,
      version,
      licence: READ_IN_FILE[name] ?? license ?? null,
      isShipped,
      isOptional: optional === true,
    });
  }
  return [...found.values()].sort((left, right) =>
    left.name < right.name ? -1 : left.name > right.name ? 1 : left.version < right.version ? -1 : 1,
  );
}

export function isException(name: string): boolean {
  return Object.keys(EXCEPTIONS).some((pattern) => patternOf(pattern).test(name));
}

export function isPermissive(licence: string | null): boolean {
  if (licence === null) return false;
  const options = licence.replaceAll(/[()]/g, "").split(" OR ");
  return options.some((option) => option.split(" AND ").every((name) => PERMISSIVE.includes(name.trim())));
}

export function dependencyList(): string {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Readonly<
    Record<string, Readonly<Record<string, string>>>
  >;
  const packages = lockedPackages();
  const byName = new Map(packages.map((entry) => [`${entry.name} ${entry.version}`, entry]));
  const reasons = readmeReasons();
  const direct = (names: Readonly<Record<string, string>> = {}) =>
    Object.entries(names).map(([name, version]) => {
      const why = reasons.find(({ pattern }) => pattern.test(name))?.why ?? "";
      return `| \`${name}\` | ${version} | ${byName.get(`${name} ${version}`)?.licence ?? "unknown"} | ${why} |`;
    });
  const shipped = packages.filter(({ isShipped }) => isShipped);
  const byLicence = [...Map.groupBy(shipped, ({ licence }) => licence ?? "not said")].sort(
    ([, left], [, right]) => right.length - left.length,
  );
  return [
    "# Dependencies",
    "",
    "Made from package.json, package-lock.json and the README's reasons (`npm run docs`). Every version is pinned, and the lock file has each package's hash.",
    "A test fails where something that ships has a licence that is not permissive. Known vulnerabilities are asked for with `npm audit`, by",
    "`npm run audit` and by the service tests; where the registry does not answer that, they say so.",
    "",
    `## Shipped: ${Object.keys(manifest.dependencies ?? {}).length} packages, ${shipped.length} with what they need`,
    "",
    "| package | version | licence | why |",
    "|---|---|---|---|",
    ...direct(manifest.dependencies),
    "",
    "## For development",
    "",
    "| package | version | licence | why |",
    "|---|---|---|---|",
    ...direct(manifest.devDependencies),
    "",
    "## All that ships, by licence",
    "",
    `Not permissive: ${Object.entries(EXCEPTIONS)
      .map(([name, why]) => `\`${name}\` (${why})`)
      .join("; ")}.`,
    "",
    "Packages in italics are native builds, of which an installation has those of its own platform.",
    "",
    ...byLicence.map(([licence, entries]) => {
      const names = entries.map(({ name, version, isOptional }) => (isOptional ? `*${name} ${version}*` : `${name} ${version}`));
      return `**${licence}** (${entries.length}): ${names.join(", ")}\n`;
    }),
  ].join("\n");
}

/** The rows of the README's table; a name may end in `*`. */
function readmeReasons(): readonly { readonly pattern: RegExp; readonly why: string }[] {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const section = readme.slice(readme.indexOf("## Dependencies"), readme.indexOf("## Licence"));
  return [...section.matchAll(/^\| (`[^|]+`) \| ([^|]+) \|$/gm)].flatMap(([, names = "", why = ""]) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => ({ pattern: patternOf(name), why })),
  );
}

function patternOf(name: string): RegExp {
  const escaped = name.replaceAll(/[.+?^${}()|[\]\\/]/g, "\\$&").replace("*", ".*");
  return new RegExp(`^${escaped}$`);
}
