import type { Timer } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { ActorContext } from "../../supervisor/kernel/behavior.ts";
import type { ForeignCollections } from "../vector_store/adoption.ts";
import type { AcceptLimits } from "./accept.ts";
import type { Indexing, IndexingParts } from "./indexing.ts";
import type { JobTraces } from "./job_traces.ts";
import type { IngestMessage } from "./messages.ts";
import type { Schedule } from "./schedule.ts";
import type { SharedJobs } from "./sharing/shared_jobs.ts";

export interface IngestOptions extends Omit<IndexingParts, "beginRepair"> {
  readonly accept: AcceptLimits;
  /** Jobs that wait or run; one more is refused with `overloaded`. */
  readonly maxOpenJobs: number;
  /** Bytes of documents that are on their way to the disk; more are refused with `overloaded`. */
  readonly maxAcceptingBytes: number;
  /** Collections that are worked on at once. */
  readonly maxParallel: number;
  /** Jobs of all nodes with the same document store; null: no other process has it. */
  readonly shared: SharedJobs | null;
  /** Collections of others that may be adopted; null: the vector store has none. */
  readonly foreign: ForeignCollections | null;
  readonly random: Random;
}

export interface Queued {
  readonly run: (context: ActorContext<IngestMessage>) => void;
}

export interface IngestState {
  readonly indexing: Indexing;
  readonly schedule: Schedule<Queued>;
  readonly traces: JobTraces;
  acceptingBytes: number;
  jobsMade: number;
  wake: Timer | null;
}
