import { serveTasks } from "../../../../runtime/worker_thread.ts";
import { type BackupContents, type BackupNotes, writeBackup } from "./backup_file.ts";

export interface BackupTask {
  readonly from: string;
  readonly draft: string;
  readonly to: string;
  readonly notes: BackupNotes;
}

/** Entry of the thread that copies: one statement reads the whole store, and a progress bar wants to move meanwhile. */
await serveTasks<null, BackupTask, BackupContents>(() => ({
  handle: ({ from, draft, to, notes }) => ({ value: writeBackup(from, draft, to, notes), transfer: [] }),
  close: () => {},
}));
