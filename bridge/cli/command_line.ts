import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { SWITCHES } from "../../actors/document_store/document_store.ts";
import { ENSEMBLE_PARTS, STRATEGIES, type WeightedStrategy } from "../../actors/retriever/search.ts";
import { ConfigError, loadConfig, type Sources } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { systemSources } from "../../config/system_sources.ts";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { SCOPES } from "../keys/grant.ts";
import { apiKey, KennelClient, serverUrl } from "./client.ts";
import { CommandError, EXIT, systemTerminal, type Terminal } from "./terminal.ts";

export interface CommandHandlers {
  /** Serves until it is told to stop. @returns the exit code */
  serve(config: Config): Promise<number>;
}

/** What every command gets. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly client: KennelClient;
  readonly signal: AbortSignal;
}

/** What a command gets that works on this machine's data folder. */
export interface LocalContext extends Omit<CommandContext, "client"> {
  readonly config: Config;
}

/** What the command line stands on; tests bring their own. */
export interface CommandLineEnvironment {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly sources: Sources;
  /** Ends what runs. */
  readonly signal: AbortSignal;
}

/**
 * Runs one command. Each loads what it needs when it is called, so that none waits for another's modules.
 * @param argv without the program's name
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage or configuration
 */
export async function runCommandLine(
  argv: readonly string[],
  handlers: CommandHandlers,
  environment: CommandLineEnvironment = {
    terminal: systemTerminal(),
    clock: systemClock(),
    sources: systemSources(),
    signal: new AbortController().signal,
  },
): Promise<number> {
  const { terminal } = environment;
  let exitCode = 0;
  const program = describeCommands(environment, handlers, (code) => {
    exitCode = code;
  });
  // A clock's timers keep no process alive, but a command that waits for the next poll is not done.
  const alive = setInterval(() => {}, 2_147_483_647);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.misused; // commander has written it
    if (error instanceof ConfigError) {
      terminal.err(error.message);
      return EXIT.misused;
    }
    if (error instanceof CommandError) {
      terminal.err(error.message);
      return error.exitCode;
    }
    throw error;
  } finally {
    clearInterval(alive);
  }
}

function describeCommands(environment: CommandLineEnvironment, handlers: CommandHandlers, end: (exitCode: number) => void): Command {
  const { terminal, sources, clock, signal } = environment;
  const context = (): CommandContext => ({
    terminal,
    clock,
    signal,
    client: new KennelClient(serverUrl(sources), clock, apiKey(sources)),
  });
  const local = (): LocalContext => ({ terminal, clock, signal, config: loadConfig(sources) });
  const program = new Command("kennel")
    .description("A retrieval server that keeps its retrievers warm")
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: (text) => terminal.err(text.trimEnd()) })
    .addHelpText(
      "after",
      "\nCommands other than serve, config, keys, backup and restore talk to a running server: KENNEL_URL, or host and port of the configuration; with KENNEL_API_KEY where it asks for a key.",
    );
  program
    .command("serve")
    .description("serve until SIGTERM or SIGINT; settings come from kennel.json and KENNEL_ variables")
    .action(async () => end(await handlers.serve(loadConfig(sources))));
  describeClientCommands(program, context, end);
  describeUpkeep(program, context, end);
  describeBackups(program, context, local, end);
  describeFlags(program, context, end);
  describeKeys(program, local, end);
  const config = program.command("config").description("the configuration that serve would run with");
  config
    .command("print")
    .description("print it as JSON, secrets masked")
    .action(async () => {
      const { printableConfig } = await import("../../config/print.ts");
      terminal.out(JSON.stringify(printableConfig(loadConfig(sources)), null, 2));
    });
  config
    .command("check")
    .description("list everything that is wrong with it")
    .action(() => {
      loadConfig(sources);
      terminal.out("The configuration is valid");
    });
  config
    .command("permissions")
    .description("print what it needs of Deno, a permission a line: serve is started with these and no others")
    .addOption(jsonOption())
    .action(async ({ json }) => {
      const { ownPermissions } = await import("../../config/own_permissions.ts");
      const permissions = ownPermissions(sources);
      terminal.out(json ? JSON.stringify(permissions) : permissions.join("\n"));
    });
  return program;
}

function describeClientCommands(program: Command, context: () => CommandContext, end: (exitCode: number) => void): void {
  program
    .command("ingest")
    .description("add files, folders and JSON lines to a collection; makes the collection when there is none")
    .argument("<collection>")
    .argument(
      "<paths...>",
      "text, Markdown, HTML, PDF, DOCX; .jsonl and .ndjson bring one document a line; https:// is fetched by the server, where it may",
    )
    .addOption(jsonOption())
    .action(async (collection, paths, options) => end(await (await import("./ingest.ts")).ingest(context(), collection, paths, options)));
  program
    .command("search")
    .description("ask a collection, or several at once")
    .argument("<collection>", "its name; several with commas")
    .argument("<query>")
    .addOption(new Option("--strategy <name>", "how to look").choices(STRATEGIES))
    .addOption(ensembleOption())
    .option("--top-k <count>", "hits wanted", wholeNumber, 10)
    .option("--filter <json>", 'only documents that match, as {"type":"eq","key":"lang","value":"en"}', jsonValue)
    .addOption(jsonOption())
    .action(async (collection, query, options) => end(await (await import("./search.ts")).search(context(), collection, query, options)));
  program
    .command("chat")
    .description("ask a question and read the answer, with what it cites")
    .argument("<collection>")
    .argument("<question>")
    .addOption(jsonOption())
    .action(async (collection, question, options) => end(await (await import("./chat.ts")).chat(context(), collection, question, options)));
  program
    .command("status")
    .description("show the tree of supervised actors")
    .option("--watch", "draw it anew every second", false)
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("./status.ts")).status(context(), options)));
  program
    .command("warm")
    .description("bring collections' retrievers into memory before somebody asks")
    .argument("<collections...>")
    .addOption(jsonOption())
    .action(async (collections, options) => end(await (await import("./warm.ts")).warm(context(), collections, options)));
  program
    .command("reindex")
    .description("build a collection's index anew from its stored documents; the old one is searched meanwhile")
    .argument("<collection>")
    .option("--language <name>", "stemming and stop words of the new index; none: neither")
    .option("--embedding <name>", "the model of its vectors")
    .option("--chunking <json>", 'as {"max_tokens":128,"overlap_tokens":16,"parent_tokens":512}', jsonValue)
    .addOption(new Option("--switch <when>", "search the new build: unless it is worse, when told, or always").choices(SWITCHES))
    .option("--queries <file>", 'compare the two by judged queries, JSON lines of {"_id", "text"}; without, by what was asked most of late')
    .option("--qrels <file>", "query id, document id and grade on each line, with tabs between")
    .addOption(jsonOption())
    .action(async (collection, options) => end(await (await import("./reindex.ts")).reindex(context(), collection, options)));
  program
    .command("adopt")
    .description("search a collection of Milvus that is not Kennel's as it is; without --as only look, without a name list them")
    .argument("[foreign]", "its name in Milvus")
    .option("--as <collection>", "the collection to make of it")
    .addOption(new Option("--mode <mode>", "whether documents may be written into it").choices(["read_only", "read_write"]))
    .option("--field <role=field>", "what a field is for, as text=body; title= for none; may be repeated", fieldOfRole, {})
    .addOption(jsonOption())
    .action(async (foreign, options) => end(await (await import("./adopt.ts")).adopt(context(), foreign, options)));
  program
    .command("switch")
    .description("search the build of a collection that is held or kept from now on; the same again leads back")
    .argument("<collection>")
    .option("--to <version>", "the build, where it is to be a certain one", wholeNumber)
    .addOption(jsonOption())
    .action(async (collection, options) => end(await (await import("./switch.ts")).switchBuild(context(), collection, options)));
  program
    .command("eval")
    .description("judge a collection's answers: nDCG@10, MAP, MRR@10 and recall@100, each with its 95 % bootstrap interval")
    .argument("<collection>")
    .requiredOption("--queries <file>", 'JSON lines of {"_id", "text"}')
    .requiredOption("--qrels <file>", "query id, document id and grade on each line, with tabs between")
    .addOption(new Option("--strategy <names...>", "strategies to judge").choices([...STRATEGIES, "all"]).default(["hybrid"]))
    .addOption(ensembleOption())
    .option("--tune", "try fusion weights for hybrid and save the best one to the collection", false)
    .option("--min-ndcg <value>", "fail when the last strategy's nDCG@10 is lower", ratio)
    .option("--concurrency <count>", "queries at once", wholeNumber, 8)
    .addOption(jsonOption())
    .action(async (collection, options) => end(await (await import("./evaluate.ts")).evaluate(context(), collection, options)));
}

function describeUpkeep(program: Command, context: () => CommandContext, end: (exitCode: number) => void): void {
  const upkeep = program
    .command("upkeep")
    .description("show what the running node does to keep itself in order")
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("./upkeep.ts")).listUpkeep(context(), options)));
  const actions = {
    run: "run a task now and wait for it, paused or not",
    pause: "have a task begin nothing until it is resumed, or the node starts anew",
    resume: "let a paused task go on",
  } as const;
  for (const action of ["run", "pause", "resume"] as const) {
    upkeep
      .command(action)
      .description(actions[action])
      .argument("<task>", "its name, as kennel upkeep shows it")
      .addOption(jsonOption())
      // An option that the command above has too is taken by it.
      .action(async (task, options, command) =>
        end(await (await import("./upkeep.ts")).controlUpkeep(context(), action, task, { ...options, ...command.optsWithGlobals() })),
      );
  }
}

function describeBackups(
  program: Command,
  context: () => CommandContext,
  local: () => LocalContext,
  end: (exitCode: number) => void,
): void {
  const backup = program
    .command("backup")
    .description("copy what the data folder holds into one file, as of one moment; its node may serve meanwhile")
    .argument("<file>", "made anew; its SHA-256 goes beside it")
    .addOption(jsonOption())
    .action(async (file, options) => end(await (await import("./backup.ts")).backup(local(), file, options)));
  backup
    .command("verify")
    .description("restore a backup into a folder of its own, read every document of it, and remove the folder")
    .argument("<file>", "what kennel backup has made")
    .addOption(jsonOption())
    .action(async (file, options, command) =>
      end(await (await import("./verify_backup.ts")).verifyBackup(local(), file, { ...options, ...command.optsWithGlobals() })),
    );
  program
    .command("restore")
    .description("make a backup the content of an empty data folder, or send one collection of it to a running server")
    .argument("<file>", "what kennel backup has made")
    .option("--collection <name>", "this one, to the running server")
    .option("--as <name>", "under another name")
    .addOption(jsonOption())
    .action(async (file, { collection, as, json }) => {
      if (collection !== undefined)
        return end(await (await import("./restore_collection.ts")).restoreCollection(context(), file, { collection, as, json }));
      if (as !== undefined) throw new CommandError("--as names a collection: give --collection too", EXIT.misused);
      end(await (await import("./restore.ts")).restore(local(), file, { json }));
    });
}

function describeFlags(program: Command, context: () => CommandContext, end: (exitCode: number) => void): void {
  const flags = program.command("flags").description("what can be switched off while the server runs, on one node or on the whole cluster");
  flags
    .command("list", { isDefault: true })
    .description("show all flags, and who has said what holds")
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("./flags.ts")).listFlags(context(), options)));
  for (const [name, enabled] of [["on", true] as const, ["off", false] as const]) {
    flags
      .command(name)
      .description(`switch a flag ${name}, without a restart`)
      .argument("<flag>", "as list shows it")
      .addOption(scopeOption("every node, kept over a restart, or the node that is asked, until its process ends").default("cluster"))
      .option("--reason <words>", "why, for whoever looks later", "")
      .addOption(jsonOption())
      .action(async (flag, options) => end(await (await import("./flags.ts")).switchFlag(context(), flag, enabled, options)));
  }
  flags
    .command("reset")
    .description("take back what was said of a flag: its setting holds again")
    .argument("<flag>", "as list shows it")
    .addOption(scopeOption("whose word is taken back; left out: both"))
    .addOption(jsonOption())
    .action(async (flag, options) => end(await (await import("./flags.ts")).resetFlag(context(), flag, options)));
}

function describeKeys(program: Command, local: () => LocalContext, end: (exitCode: number) => void): void {
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
    .action(async (options) => end(await (await import("./keys.ts")).createKey(local(), options)));
  keys
    .command("rotate")
    .description("make the key that replaces another one, and let both in until callers have moved")
    .argument("<id>", "as list shows it")
    .option("--overlap <time>", "how long the old one is still taken, as 90m, 12h, 7d", "24h")
    .option("--expires <when>", "when the new one ends; without, it lives as long as the old one was made for")
    .addOption(jsonOption())
    .action(async (id, options) => end(await (await import("./rotate_key.ts")).rotateKey(local(), id, options)));
  keys
    .command("list")
    .description("show the keys, without what is secret, and when each was last used on this machine's node")
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("./keys.ts")).listKeys(local(), options)));
  keys
    .command("revoke")
    .description("let nobody in by a key any more")
    .argument("<id>", "as list shows it")
    .addOption(jsonOption())
    .action(async (id, options) => end(await (await import("./keys.ts")).revokeKey(local(), id, options)));
}

const scopeOption = (meaning: string) => new Option("--scope <scope>", meaning).choices(["node", "cluster"]);

const ensembleOption = () =>
  new Option("--ensemble <parts>", "what the strategy ensemble is made of, as hybrid=0.7,bm25=0.3").argParser(weightedStrategies);

const jsonOption = () => new Option("--json", "print JSON for scripts").default(false);

function weightedStrategies(text: string): readonly WeightedStrategy[] {
  return text.split(",").map((part) => {
    const [name = "", weight = "1"] = part.split("=");
    const strategy = ENSEMBLE_PARTS.find((known) => known === name.trim());
    if (strategy === undefined) throw new InvalidArgumentError(`Expected strategies of ${ENSEMBLE_PARTS.join(", ")}.`);
    if (!(Number(weight) > 0)) throw new InvalidArgumentError(`Expected a weight above 0 for ${strategy}.`);
    return { strategy, weight: Number(weight) };
  });
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Expected a whole number above 0.");
  return Number(text);
}

function fieldOfRole(text: string, before: Readonly<Record<string, string | null>>): Readonly<Record<string, string | null>> {
  const place = text.indexOf("=");
  if (place < 1) throw new InvalidArgumentError("Expected role=field, as text=body.");
  return { ...before, [text.slice(0, place)]: text.slice(place + 1) || null };
}

function ratio(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1)) throw new InvalidArgumentError("Expected a number from 0 to 1.");
  return value;
}

function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`Expected JSON: ${(error as Error).message}.`);
  }
}
