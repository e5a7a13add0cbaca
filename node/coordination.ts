import { createCoordinator, type ModeSnapshot } from "../actors/coordinator/coordinator.ts";
import { type ModeChange, ModeLog } from "../actors/coordinator/mode_log.ts";
import { type PublishedModes, publishedModes } from "../actors/coordinator/published_modes.ts";
import type { ModeControl } from "../bridge/http/collaborators.ts";
import type { Flags } from "../config/flags.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Services } from "./services.ts";

/** Setting the mode waits for nothing but the coordinator's turn. */
const FORCE_LIMIT_MS = 5_000;

export interface Coordination {
  readonly modes: PublishedModes;
  readonly log: ModeLog;
  readonly control: ModeControl;
}

/** The coordinator as an actor, with what pipelines read of it, what it has decided, and the operators' hand on it. */
export function startCoordination(
  supervisor: Supervisor,
  services: Services,
  config: Config,
  flags: Flags,
  clock: Clock,
  logger: Logger,
  onChanged: (change: ModeChange) => void,
): Coordination {
  const hasCachedAnswers = config.cache.answerBytes > 0;
  const log = new ModeLog(clock, hasCachedAnswers);
  const { board, behavior } = createCoordinator({
    clock,
    services: services.roles,
    ...config.coordinator,
    onChange: (now, before) => {
      const change = log.note(now, before);
      logger.warn({ ...change }, "what has failed, or the mode, has changed");
      onChanged(change);
    },
  });
  const child = supervisor.spawn({ name: "coordinator", kind: "coordinator", limits: config.supervision.janitor, behavior });
  const modes = publishedModes(board, services.roles, hasCachedAnswers, flags);
  return {
    modes,
    log,
    control: {
      async force(mode, signal) {
        const options = { timeoutMs: FORCE_LIMIT_MS, signal, lane: "control" } as const;
        const { forcedMode } = await child.ask<ModeSnapshot>({ kind: "force", mode }, options);
        return { mode: modes.read("store", false).mode, forced_mode: forcedMode };
      },
    },
  };
}
