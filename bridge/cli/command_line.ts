import { Command, CommanderError } from "commander";
import { ConfigError, loadConfig, type Sources } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { systemSources } from "../../config/system_sources.ts";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { apiKey, KennelClient, serverUrl } from "./client.ts";
import { describeBackups } from "./commands/backups.ts";
import { describeClientCommands } from "./commands/client.ts";
import { describeFlags } from "./commands/flags.ts";
import { describeKeys } from "./commands/keys.ts";
import { jsonOption } from "./commands/options.ts";
import { describeUpkeep } from "./commands/upkeep.ts";
import type { CommandContext, LocalContext } from "./context.ts";
import { CommandError, EXIT, systemTerminal, type Terminal } from "./terminal.ts";

export interface CommandHandlers {
  /** Serves until it is told to stop. @returns the exit code */
  serve(config: Config): Promise<number>;
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
