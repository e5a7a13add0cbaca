import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface ReceivedAlert {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, string>>;
}

/** What takes alerts, and answers as it is told. */
export interface WebhookReceiver {
  readonly url: string;
  /** Of all attempts, in the order in which they came. */
  readonly received: readonly ReceivedAlert[];
  /** Statuses of the next answers, one each; then 204. `null`: the connection is cut. */
  readonly answers: (number | null)[];
  /** Keeps all askers waiting from now on; returns what ends that. */
  hold(): () => void;
  close(): Promise<void>;
}

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const received: ReceivedAlert[] = [];
  const answers: (number | null)[] = [];
  let held: Promise<void> = Promise.resolve();
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    request.on("end", async () => {
      received.push({ headers: request.headers, body: JSON.parse(text) });
      await held;
      const status = answers.length === 0 ? 204 : (answers.shift() as number | null);
      if (status === null) request.socket.destroy();
      else response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    answers,
    hold() {
      const gate = Promise.withResolvers<void>();
      held = gate.promise;
      return gate.resolve;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
