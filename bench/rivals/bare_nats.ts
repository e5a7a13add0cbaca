import { connect } from "nats";
import { serveCommands } from "../harness/side_process.ts";

/** Answers bare requests over NATS with as many bytes as asked for: what a request and its answer cost without Kennel. */
export interface BareNatsCommand {
  readonly natsUrl: string;
  readonly subject: string;
  readonly answerBytes: number;
}

if (import.meta.main) {
  await serveCommands<BareNatsCommand>(async ({ natsUrl, subject, answerBytes }) => {
    const client = await connect({ servers: natsUrl });
    const answer = new Uint8Array(answerBytes).fill(120);
    client.subscribe(subject, { callback: (error, message) => error === null && message.respond(answer) });
    await client.flush();
  });
}
