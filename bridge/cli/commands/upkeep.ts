import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { jsonOption } from "./options.ts";

export function describeUpkeep(program: Command, context: () => CommandContext, end: (exitCode: number) => void): void {
  const upkeep = program
    .command("upkeep")
    .description("show what the running node does to keep itself in order")
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("../upkeep.ts")).listUpkeep(context(), options)));
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
        end(await (await import("../upkeep.ts")).controlUpkeep(context(), action, task, { ...options, ...command.optsWithGlobals() })),
      );
  }
}
