/** One answer of Kennel's over NATS, whatever its size: what is larger than a message may be comes in parts, because the request says that it may. */
import { Buffer } from "node:buffer";
import { createInbox, type MsgHdrs, type NatsConnection } from "nats";

export interface WholeAnswer {
  /** Of the first part. */
  readonly headers: MsgHdrs | undefined;
  readonly text: string;
}

/** Rejects when the time is over, nobody listens, or a part is missing. */
export async function requestWhole(
  nats: NatsConnection,
  subject: string,
  body: object,
  headers: MsgHdrs,
  timeoutMs: number,
): Promise<WholeAnswer> {
  headers.set("Kennel-Parts", "1");
  const inbox = createInbox();
  const replies = nats.subscribe(inbox);
  const limit = setTimeout(() => replies.unsubscribe(), timeoutMs);
  const parts: Uint8Array[] = [];
  let first: MsgHdrs | undefined;
  try {
    nats.publish(subject, JSON.stringify(body), { reply: inbox, headers });
    for await (const reply of replies) {
      if (reply.headers?.code === 503) throw new Error(`Nobody answers at ${subject}`);
      if (parts.length === 0) first = reply.headers;
      const count = Number(reply.headers?.get("Kennel-Parts") || 1); // without it the answer is whole
      if (count > 1 && Number(reply.headers?.get("Kennel-Sequence")) !== parts.length) throw new Error("A part of the answer was lost");
      parts.push(reply.data);
      if (parts.length === count) return { headers: first, text: Buffer.concat(parts).toString("utf8") };
    }
    throw new Error(`No whole answer within ${timeoutMs} ms`);
  } finally {
    clearTimeout(limit);
    replies.unsubscribe();
  }
}
