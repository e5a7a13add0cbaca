import type { Command } from "commander";
import type { CommandContext, LocalContext } from "../context.ts";
import { CommandError, EXIT } from "../terminal.ts";
import { jsonOption } from "./options.ts";

export function describeBackups(
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
    .action(async (file, options) => end(await (await import("../backup.ts")).backup(local(), file, options)));
  backup
    .command("verify")
    .description("restore a backup into a folder of its own, read every document of it, and remove the folder")
    .argument("<file>", "what kennel backup has made")
    .addOption(jsonOption())
    .action(async (file, options, command) =>
      end(await (await import("../verify_backup.ts")).verifyBackup(local(), file, { ...options, ...command.optsWithGlobals() })),
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
        return end(await (await import("../restore_collection.ts")).restoreCollection(context(), file, { collection, as, json }));
      if (as !== undefined) throw new CommandError("--as names a collection: give --collection too", EXIT.misused);
      end(await (await import("../restore.ts")).restore(local(), file, { json }));
    });
}
