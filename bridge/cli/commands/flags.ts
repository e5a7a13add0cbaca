import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { jsonOption, scopeOption } from "./options.ts";

export function describeFlags(program: Command, context: () => CommandContext, end: (exitCode: number) => void): void {
  const flags = program.command("flags").description("what can be switched off while the server runs, on one node or on the whole cluster");
  flags
    .command("list", { isDefault: true })
    .description("show all flags, and who has said what holds")
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("../flags.ts")).listFlags(context(), options)));
  for (const [name, enabled] of [["on", true] as const, ["off", false] as const]) {
    flags
      .command(name)
      .description(`switch a flag ${name}, without a restart`)
      .argument("<flag>", "as list shows it")
      .addOption(scopeOption("every node, kept over a restart, or the node that is asked, until its process ends").default("cluster"))
      .option("--reason <words>", "why, for whoever looks later", "")
      .addOption(jsonOption())
      .action(async (flag, options) => end(await (await import("../flags.ts")).switchFlag(context(), flag, enabled, options)));
  }
  flags
    .command("reset")
    .description("take back what was said of a flag: its setting holds again")
    .argument("<flag>", "as list shows it")
    .addOption(scopeOption("whose word is taken back; left out: both"))
    .addOption(jsonOption())
    .action(async (flag, options) => end(await (await import("../flags.ts")).resetFlag(context(), flag, options)));
}
