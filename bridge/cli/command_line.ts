import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { STRATEGIES } from "../../actors/retriever/search.ts";
import { ConfigError, loadConfig, type Sources } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { systemSources } from "../../config/system_sources.ts";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { KennelClient, serverUrl } from "./client.ts";
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
  const context = (): CommandContext => ({ terminal, clock, signal, client: new KennelClient(serverUrl(sources), clock) });
  const program = new Command("kennel")
    .description("A retrieval server that keeps its retrievers warm")
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: (text) => terminal.err(text.trimEnd()) })
    .addHelpText(
      "after",
      "\nCommands other than serve and config talk to a running server: KENNEL_URL, or host and port of the configuration.",
    );
  program
    .command("serve")
    .description("serve until SIGTERM or SIGINT; settings come from kennel.json and KENNEL_ variables")
    .action(async () => end(await handlers.serve(loadConfig(sources))));
  describeClientCommands(program, context, end);
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
  return program;
}

function describeClientCommands(program: Command, context: () => CommandContext, end: (exitCode: number) => void): void {
  program
    .command("ingest")
    .description("add files, folders and JSON lines to a collection; makes the collection when there is none")
    .argument("<collection>")
    .argument("<paths...>", "text, Markdown, HTML, PDF, DOCX; .jsonl and .ndjson bring one document a line")
    .addOption(jsonOption())
    .action(async (collection, paths, options) => end(await (await import("./ingest.ts")).ingest(context(), collection, paths, options)));
  program
    .command("search")
    .description("ask a collection")
    .argument("<collection>")
    .argument("<query>")
    .addOption(new Option("--strategy <name>", "how to look").choices(STRATEGIES))
    .option("--top-k <count>", "hits wanted", wholeNumber, 10)
    .option("--filter <json>", 'only documents that match, as {"type":"eq","key":"lang","value":"en"}', jsonValue)
    .addOption(jsonOption())
    .action(async (collection, query, options) => end(await (await import("./search.ts")).search(context(), collection, query, options)));
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
    .command("eval")
    .description("judge a collection's answers: nDCG@10, MAP, MRR@10 and recall@100, each with its 95 % bootstrap interval")
    .argument("<collection>")
    .requiredOption("--queries <file>", 'JSON lines of {"_id", "text"}')
    .requiredOption("--qrels <file>", "query id, document id and grade on each line, with tabs between")
    .addOption(new Option("--strategy <names...>", "strategies to judge").choices([...STRATEGIES, "all"]).default(["hybrid"]))
    .option("--tune", "try fusion weights for hybrid and save the best one to the collection", false)
    .option("--min-ndcg <value>", "fail when the last strategy's nDCG@10 is lower", ratio)
    .option("--concurrency <count>", "queries at once", wholeNumber, 8)
    .addOption(jsonOption())
    .action(async (collection, options) => end(await (await import("./evaluate.ts")).evaluate(context(), collection, options)));
}

const jsonOption = () => new Option("--json", "print JSON for scripts").default(false);

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Expected a whole number above 0.");
  return Number(text);
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
