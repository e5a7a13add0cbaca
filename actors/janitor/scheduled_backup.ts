import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import type { UpkeepTask } from "./upkeep_task.ts";

export interface ScheduledBackupParts {
  /** Where backups lie, those of other nodes and ones made by hand too. */
  readonly folder: string;
  readonly nodeName: string;
  /** Age of the newest one from which on the next is due: a restart of the node neither skips one nor makes one too many. */
  readonly intervalMs: number;
  /** Newest backups of this node that are kept. */
  readonly keep: number;
  readonly checkMs: number;
  /** Makes a whole and checked backup at this path, with its digest beside it, or nothing. */
  readonly make: (path: string, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
}

/** A store of some hundred gigabytes. */
const BACKUP_LIMIT_MS = 86_400_000;
const SUFFIX = ".backup";

/** A backup each `intervalMs`, of which the newest are kept. */
export function scheduledBackup(parts: ScheduledBackupParts): UpkeepTask {
  const { folder, keep, intervalMs, checkMs, make, clock } = parts;
  return {
    name: "backup",
    intervalMs: checkMs,
    timeoutMs: BACKUP_LIMIT_MS,
    takesTurns: false, // it copies beside everything else, and may take hours
    async run(signal, isAsked) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const made = await backupsOf(parts);
      const newestMs = made.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
      if (!isAsked && clock.wallMs() - newestMs < intervalMs) return 0;
      await make(join(folder, nameOf(parts, clock.wallMs())), signal);
      // Only after another one is whole, and never the last one.
      for (const { name } of (await backupsOf(parts)).slice(0, -keep)) {
        await rm(join(folder, name), { force: true });
        await rm(join(folder, `${name}.sha256`), { force: true });
      }
      return 1;
    },
  };
}

/** `kennel-NODE-20260131T094500Z.backup`: by name they are in order of their time. */
function nameOf({ nodeName }: ScheduledBackupParts, atMs: number): string {
  return `kennel-${nodeName}-${new Date(atMs).toISOString().replaceAll(/[-:]|\.\d+/g, "")}${SUFFIX}`;
}

/** Oldest first; what has another name is nobody's business here. */
async function backupsOf({ folder, nodeName }: ScheduledBackupParts): Promise<readonly { readonly name: string; readonly atMs: number }[]> {
  const prefix = `kennel-${nodeName}-`;
  const found = (await readdir(folder)).flatMap((name) => {
    if (!name.startsWith(prefix) || !name.endsWith(SUFFIX)) return [];
    const [, date, hour, minute, second] = /^(\d{8})T(\d{2})(\d{2})(\d{2})Z$/.exec(name.slice(prefix.length, -SUFFIX.length)) ?? [];
    if (date === undefined) return [];
    const day = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`;
    return [{ name, atMs: Date.parse(`${day}T${hour}:${minute}:${second}Z`) }];
  });
  return found.sort((left, right) => left.atMs - right.atMs);
}
