/** The command line. `serve` loads the node; the other commands speak to one and load nothing of it. */
import process from "node:process";
import { runCommandLine } from "./bridge/cli/command_line.ts";
import type { Config } from "./config/schema.ts";
import type { KennelNode } from "./node/node.ts";

/** Serves until SIGTERM or SIGINT, then drains; a second signal changes nothing. @returns the exit code */
async function serve(config: Config): Promise<number> {
  const { startNode } = await import("./node/node.ts");
  const told = new Promise<string>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => resolve(signal));
  });
  let node: KennelNode;
  try {
    node = await startNode(config);
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : String(thrown));
    return 1;
  }
  console.log(`Kennel serves on ${node.url} (data in ${config.dataDir}); open it in a browser, or ask: kennel search kennel "…"`);
  const reason = await told;
  await node.stop(reason);
  return 0;
}

if (import.meta.main) {
  process.exitCode = await runCommandLine(process.argv.slice(2), { serve });
  // A drain has let go of everything; what a native add-on's threads still hold must not keep the process.
  process.exit();
}
