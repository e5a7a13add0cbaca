import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { KennelClient } from "./client.ts";
import type { Terminal } from "./terminal.ts";

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
