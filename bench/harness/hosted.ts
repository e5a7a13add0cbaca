import type { HostCommand, HostNotes } from "./hosted_node.ts";
import { type KennelClient, kennelClient } from "./kennel_client.ts";
import type { RetrieverFault } from "./retriever_faults.ts";
import { startSideProcess } from "./side_process.ts";

/** A node in a process of its own whose stores can be stopped and whose actors are watched (see `hosted_node.ts`). */
export interface HostedKennel extends KennelClient {
  readonly pid: number;
  stopStores(): Promise<void>;
  resumeStores(): Promise<void>;
  stopLexical(): Promise<void>;
  resumeLexical(): Promise<void>;
  setFault(collection: string, fault: RetrieverFault | null): Promise<void>;
  /** What was noted since the last time. */
  notes(): Promise<HostNotes>;
  stop(): Promise<void>;
}

export async function startHostedKennel(folder: string, environment: Readonly<Record<string, string>> = {}): Promise<HostedKennel> {
  const host = startSideProcess(new URL("./hosted_node.ts", import.meta.url));
  const tell = async (command: HostCommand) => void (await host.ask(command));
  try {
    const port = await host.ask<number>({ kind: "start", folder, environment } satisfies HostCommand);
    return {
      ...kennelClient(port),
      pid: host.pid,
      stopStores: () => tell({ kind: "stop_stores" }),
      resumeStores: () => tell({ kind: "resume_stores" }),
      stopLexical: () => tell({ kind: "stop_lexical" }),
      resumeLexical: () => tell({ kind: "resume_lexical" }),
      setFault: (collection, fault) => tell({ kind: "fault", collection, fault }),
      notes: () => host.ask<HostNotes>({ kind: "notes" } satisfies HostCommand),
      async stop() {
        await tell({ kind: "stop" });
        await host.stop();
      },
    };
  } catch (thrown) {
    await host.stop();
    throw thrown;
  }
}
