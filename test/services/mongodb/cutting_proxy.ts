import { type FaultProxy, type Link, startFaultProxy } from "../../support/fault_proxy.ts";

/** Stands between a client and its server, and is gone for good, or keeps writes back, once it has let enough of them through. */
export interface CuttingProxy {
  readonly port: number;
  /** Lets this many more through, then cuts every connection: the server has done them, their last answer is lost. */
  cutAfter(writes: number): void;
  /** Lets this many more through and keeps the others back until `release`. */
  holdAfter(writes: number): void;
  /** Writes that are kept back. */
  held(): number;
  release(): void;
  stop(): Promise<void>;
}

const OP_MSG = 2_013;
const WRITES = new Set(["insert", "update", "delete", "findAndModify"]);

export async function startCuttingProxy(serverPort: number): Promise<CuttingProxy> {
  let seen = 0;
  let limit = Number.POSITIVE_INFINITY;
  let holdLimit = Number.POSITIVE_INFINITY;
  let held: (() => void)[] = [];
  let proxy: FaultProxy | null = null;
  const cut = () => void proxy?.set({ kind: "reset" });
  const pass = (message: Buffer, link: Link) => {
    const isWrite = WRITES.has(commandOf(message));
    if (isWrite && seen >= holdLimit) return void held.push(() => link.send(message));
    if (isWrite) seen += 1;
    if (seen < limit) return link.send(message);
    void proxy?.set({ kind: "hang" }); // the answer to the last write, and whatever else is on its way back
    link.sendLast(message, cut);
  };
  proxy = await startFaultProxy(serverPort, {
    readRequests: (link) => {
      let waiting = Buffer.alloc(0);
      return (bytes) => {
        waiting = Buffer.concat([waiting, bytes]);
        while (seen < limit && waiting.length >= 4 && waiting.length >= waiting.readInt32LE(0)) {
          const message = waiting.subarray(0, waiting.readInt32LE(0));
          waiting = waiting.subarray(message.length);
          pass(message, link);
        }
      };
    },
  });
  return {
    port: proxy.port,
    cutAfter(writes) {
      limit = seen + writes;
      if (writes === 0) cut();
    },
    holdAfter(writes) {
      holdLimit = seen + writes;
    },
    held: () => held.length,
    release() {
      holdLimit = Number.POSITIVE_INFINITY;
      for (const send of held) send();
      held = [];
    },
    stop: proxy.stop,
  };
}

/** The first key of the first section is the command's name. */
function commandOf(message: Buffer): string {
  if (message.readInt32LE(12) !== OP_MSG || message[20] !== 0) return "";
  const start = 26;
  return message.toString("utf8", start, message.indexOf(0, start));
}
