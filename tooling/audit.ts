// npm run audit: asks the registry for known vulnerabilities of what ships. Exit code 1 for serious ones; says so where they cannot be asked for.
import { ROOT, runCommand, untilInterrupted } from "./command.ts";

interface Advisory {
  readonly name: string;
  readonly severity: string;
  /** The package that it is fixed in, or that there is no fix. */
  readonly range: string;
}

/** `unavailable`: the registry does not answer such questions, which says nothing about the packages. */
export type Audit =
  | { readonly kind: "checked"; readonly packages: number; readonly advisories: readonly Advisory[] }
  | { readonly kind: "unavailable"; readonly why: string };

/** From which severity on something has to be done before anything else. */
const SERIOUS = ["high", "critical"];
const LIMIT_MS = 120_000;

interface Answer {
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string; readonly range: string }>>;
  readonly metadata?: { readonly dependencies?: { readonly total?: number } };
  readonly message?: string;
  readonly error?: { readonly summary?: string };
}

export async function auditDependencies(signal: AbortSignal): Promise<Audit> {
  const { output, timedOut } = await runCommand("npm", ["audit", "--omit=dev", "--json"], { timeoutMs: LIMIT_MS, signal, cwd: ROOT });
  if (timedOut) return { kind: "unavailable", why: `the registry did not answer within ${LIMIT_MS / 1_000} s` };
  return toAudit(output);
}

/** @param output what `npm audit --json` has printed, warnings before and after it included */
export function toAudit(output: string): Audit {
  let answer: Answer;
  try {
    answer = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1)) as Answer;
  } catch {
    return { kind: "unavailable", why: `npm audit printed no JSON: ${output.trim().slice(0, 200)}` };
  }
  if (answer.vulnerabilities === undefined) {
    const why = answer.message ?? answer.error?.summary ?? "npm audit gave no list of vulnerabilities";
    return { kind: "unavailable", why: why.replaceAll(/https?:\/\/\S+/g, "the registry").slice(0, 200) };
  }
  const advisories = Object.entries(answer.vulnerabilities).map(([name, { severity, range }]) => ({ name, severity, range }));
  return { kind: "checked", packages: answer.metadata?.dependencies?.total ?? 0, advisories };
}

export function seriousOnes({ advisories }: Extract<Audit, { kind: "checked" }>): readonly Advisory[] {
  return advisories.filter(({ severity }) => SERIOUS.includes(severity));
}

if (import.meta.main) {
  const audit = await auditDependencies(untilInterrupted());
  if (audit.kind === "unavailable") {
    console.log(`Known vulnerabilities could not be checked: ${audit.why}`);
    process.exit(0);
  }
  for (const { name, severity, range } of audit.advisories) console.log(`${severity.padEnd(8)} ${name} ${range}`);
  console.log(`${audit.packages} packages, ${audit.advisories.length} with known vulnerabilities`);
  process.exit(seriousOnes(audit).length === 0 ? 0 : 1);
}
