import { startFaultProxy } from "../../test/support/fault_proxy.ts";
import { serveCommands } from "./side_process.ts";

/** A process between the nodes and their store that holds each part of a question and of an answer back for as long. */
export interface DelayCommand {
  readonly serverPort: number;
  readonly eachWayMs: number;
}

if (import.meta.main) {
  await serveCommands<DelayCommand>(async ({ serverPort, eachWayMs }) => {
    const proxy = await startFaultProxy(serverPort);
    await proxy.set({ kind: "delay", ms: eachWayMs });
    return proxy.port;
  });
}
