import type { Clock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import { Slots } from "../../runtime/slots.ts";
import type { ChildLimits, ChildSpec } from "../../supervisor/child.ts";
import type { ActorRef } from "../../supervisor/kernel/behavior.ts";
import type { Logger } from "../../telemetry/logs.ts";
import { type TaskReport, Upkeep, type UpkeepMessage, type UpkeepTask } from "./upkeep_task.ts";

export interface JanitorParts {
  /** Each task becomes a child of its own. */
  readonly supervisor: { spawn<State, Message>(spec: ChildSpec<State, Message>): ActorRef<Message> };
  readonly limits: ChildLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onRun: (task: string, outcome: "ok" | "failed", durationMs: number) => void;
}

/** What operators ask of upkeep. An unknown task is `not_found`. */
export interface UpkeepService {
  list(): readonly TaskReport[];
  /** It ends what it does and begins nothing, until it is resumed or the node starts anew. */
  pause(task: string, signal: AbortSignal): Promise<TaskReport>;
  resume(task: string, signal: AbortSignal): Promise<TaskReport>;
  /** Runs it now, paused or not, and tells how that went. */
  run(task: string, signal: AbortSignal): Promise<TaskReport>;
}

/** Longest ask; a request's own deadline is shorter. */
const RUN_LIMIT_MS = 86_400_000;
const ORDER_LIMIT_MS = 10_000;

interface Member {
  readonly upkeep: Upkeep;
  readonly actor: ActorRef<UpkeepMessage>;
}

/** Starts the tasks. */
export function startJanitor(tasks: readonly UpkeepTask[], parts: JanitorParts): UpkeepService {
  const { supervisor, limits, ...options } = parts;
  const turns = new Slots(1, tasks.length);
  const members = new Map<string, Member>(
    tasks.map((task) => {
      const upkeep = new Upkeep({ task, turns, ...options });
      const { behavior } = upkeep;
      const details = () => ({ ...upkeep.report });
      return [task.name, { upkeep, actor: supervisor.spawn({ name: task.name, kind: "upkeep", limits, behavior, details }) }];
    }),
  );
  const memberOf = (task: string): Member => {
    const member = members.get(task);
    if (member !== undefined) return member;
    throw kennelError("not_found", { param: "task", message: `There is no such task; there are ${[...members.keys()].join(", ")}` });
  };
  const order = async (task: string, kind: "pause" | "resume", signal: AbortSignal) =>
    memberOf(task).actor.ask<TaskReport>({ kind }, { timeoutMs: ORDER_LIMIT_MS, signal, lane: "control" });
  return {
    list: () => [...members.values()].map(({ upkeep }) => upkeep.report),
    pause: (task, signal) => order(task, "pause", signal),
    resume: (task, signal) => order(task, "resume", signal),
    run: async (task, signal) => memberOf(task).actor.ask<TaskReport>({ kind: "run" }, { timeoutMs: RUN_LIMIT_MS, signal }),
  };
}
