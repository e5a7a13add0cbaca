import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as assert from "uvu/assert";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DEFAULT_URL = "http://127.0.0.1:7400";
const COMMAND_LIMIT_MS = 300_000;
const DOCUMENTATION_LIMIT_MS = 120_000;
const run = promisify(execFile);

/** Every block of the README that follows `<!-- runs -->`, or another such mark, in its order. */
export function readmeBlocks(mark = "runs"): readonly string[] {
  return blocksOf("README.md", [mark]).map(({ block }) => block);
}

/** The same of any document, with several marks. */
export function blocksOf(file: string, marks: readonly string[]): readonly { readonly mark: string; readonly block: string }[] {
  const pattern = new RegExp(`<!-- (${marks.join("|")}) -->\\n\`\`\`sh\\n([\\s\\S]*?)\`\`\``, "g");
  return [...documentText(file).matchAll(pattern)].map(([, mark = "", block = ""]) => ({ mark, block }));
}

/** First lines of the blocks of commands that none of the marks stands before. */
export function unmarkedBlocks(file: string, marks: readonly string[]): readonly string[] {
  const isMarked = new RegExp(`<!-- (${marks.join("|")}) -->$`);
  return [...documentText(file).matchAll(/(.*)\n```(?:sh|bash|shell|console)\n(.*)/g)].flatMap(([, before = "", first = ""]) =>
    isMarked.test(before) ? [] : [first],
  );
}

const documentText = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

/** The commands of a block, a line each; a line goes on while a quotation is open, or behind a backslash. */
export function commandsOf(block: string): readonly string[] {
  const commands: string[] = [];
  let open = "";
  for (const line of block.trim().split("\n")) {
    open = open === "" ? line : `${open}\n${line}`;
    if ((open.match(/'/g)?.length ?? 0) % 2 === 1 || open.endsWith("\\")) continue;
    commands.push(open);
    open = "";
  }
  return commands;
}

/** Runs a command as a reader would, against the server at `url`; resolves with what it printed. Rejects when it fails. */
export async function runAsWritten(command: string, url: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const spoken = command.replaceAll(DEFAULT_URL, url);
  const { stdout } = await run("bash", ["-ec", spoken], {
    cwd: ROOT,
    env: { ...process.env, KENNEL_URL: url, ...env },
    timeout: COMMAND_LIMIT_MS,
  });
  return stdout;
}

const EVENT = "data: ";

/**
 * Runs a command of the README and looks whether it did what a reader expects: it prints something, and no error.
 * @returns what it printed
 */
export async function assertWorks(command: string, url: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const printed = await runAsWritten(command, url, env);
  assert.ok(printed.trim() !== "", "it prints something");
  if (!command.startsWith("curl") || command.endsWith("/metrics")) return printed;
  for (const body of printed.startsWith(EVENT) ? eventsOf(printed) : [printed]) {
    assert.not("error" in (JSON.parse(body) as object), `it is answered with an error: ${printed.slice(0, 300)}`);
  }
  return printed;
}

/** What came as server-sent events, without the mark that ends them. */
function eventsOf(printed: string): readonly string[] {
  const events = printed.trim().split("\n\n");
  assert.is(events.pop(), `${EVENT}[DONE]`, "the stream was ended");
  return events.map((event) => event.slice(EVENT.length));
}

/** Waits until a first start has loaded Kennel's own documentation. Rejects when it says that it could not. */
export async function documentationLoaded(url: string, output: () => string): Promise<void> {
  for (const limit = AbortSignal.timeout(DOCUMENTATION_LIMIT_MS); !limit.aborted; ) {
    const answer = await fetch(`${url}/v1/collections`, { signal: AbortSignal.any([limit, AbortSignal.timeout(30_000)]) });
    const { data } = (await answer.json()) as { data: { name: string; index_version: number }[] };
    if (data.some(({ name, index_version }) => name === "kennel" && index_version > 0)) return;
    assert.not.match(output(), "was not loaded");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`The documentation was not loaded within ${DOCUMENTATION_LIMIT_MS} ms:\n${output()}`);
}
