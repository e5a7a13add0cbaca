// The transport's contract over a real NATS server, two connections.
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { transportContract } from "../../transport/transport_contract.ts";
import { openNode, startServer } from "./nats_rig.ts";

let server: Promise<NatsServer> | null = null;

transportContract("NATS 2.15.1", {
  open: async () => {
    server ??= startServer();
    const servers = [await server];
    const [asking, answering] = await Promise.all([openNode("asking", servers), openNode("answering", servers)]);
    return {
      client: asking.transport.to("answering"),
      server: answering.transport,
      elapse: (durationMs) => sleep(durationMs),
      stop: async () => {
        await asking.close();
        await answering.close();
      },
    };
  },
  end: async () => (await server)?.stop(),
});
