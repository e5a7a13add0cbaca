import { type Command, Option } from "commander";
import { SCOPES } from "../../keys/grant.ts";
import type { LocalContext } from "../context.ts";
import { jsonOption } from "./options.ts";

export function describeKeys(program: Command, local: () => LocalContext, end: (exitCode: number) => void): void {
  const keys = program.command("keys").description("what callers are let in by, where KENNEL_AUTH asks for it; a running node follows");
  keys
    .command("create")
    .description("make a key and print it, once: only its hash is kept")
    .requiredOption("--name <name>", "whose it is, for people")
    .addOption(new Option("--scope <scope>", "what it allows; each what those before it do").choices(SCOPES).makeOptionMandatory())
    .requiredOption("--collections <pattern>", 'names and beginnings of names, as "docs" or "docs-*", with commas; "*": all')
    .option("--expires <when>", "after 12h or 30d, or at a date as 2027-01-31")
    .option(
      "--rate <requests>",
      "how often it may ask at one node on average, as 10/s, 300/m or none; without, what the node's settings say",
    )
    .option("--burst <count>", "requests at once after a pause, within that rate")
    .option("--concurrent <count>", "requests that it may have under way at once at one node, or none for any number")
    .option("--tenant <tenant>", "whose collections it names and sees; without one it is an operator's")
    .option("--principals <principals>", "whose documents it sees beside those that are everyone's, as user:ann,group:staff")
    .option("--delegate", "it may say on whose behalf it asks, in the header X-Kennel-Principals", false)
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("../keys.ts")).createKey(local(), options)));
  keys
    .command("rotate")
    .description("make the key that replaces another one, and let both in until callers have moved")
    .argument("<id>", "as list shows it")
    .option("--overlap <time>", "how long the old one is still taken, as 90m, 12h, 7d", "24h")
    .option("--expires <when>", "when the new one ends; without, it lives as long as the old one was made for")
    .addOption(jsonOption())
    .action(async (id, options) => end(await (await import("../rotate_key.ts")).rotateKey(local(), id, options)));
  keys
    .command("list")
    .description("show the keys, without what is secret, and when each was last used on this machine's node")
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("../keys.ts")).listKeys(local(), options)));
  keys
    .command("revoke")
    .description("let nobody in by a key any more")
    .argument("<id>", "as list shows it")
    .addOption(jsonOption())
    .action(async (id, options) => end(await (await import("../keys.ts")).revokeKey(local(), id, options)));
}
