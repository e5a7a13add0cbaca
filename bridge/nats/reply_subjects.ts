/**
 * Where a node sends answers that clients ask for: a client names the subject itself, and the node may publish where the
 * client may not. Without a bound, an answer would be an order of the node's to JetStream (`$JS.API.STREAM.DELETE.…`), an entry of
 * a bucket (`$KV.…`), or a message between nodes. NATS checks the subject of what a client sends, not the one it names for answers.
 */
import type { Msg, NatsConnection, Subscription, SubscriptionOptions } from "nats";
import { SUBJECT_ROOT } from "../../transport/nats/subjects.ts";

const INBOXES = "_INBOX.";

/**
 * Whether an answer may go there: not to what NATS itself serves, nor to what Kennel does.
 * @param isInboxOnly where keys let into NATS, their holders hear inboxes alone, and may publish to no other application's subjects
 */
export function mayAnswerTo(reply: string, isInboxOnly: boolean): boolean {
  return isInboxOnly ? reply.startsWith(INBOXES) : !reply.startsWith("$") && !reply.startsWith(`${SUBJECT_ROOT}.`);
}

/**
 * The connection for a service's subscriptions, of what tools find services by, too: its library answers those by itself.
 * A message with another reply subject than `mayAnswerTo` allows comes to none of them.
 */
export function answeringSafely(client: NatsConnection, isInboxOnly: boolean, onDropped: () => void): NatsConnection {
  const subscribe = (subject: string, options: SubscriptionOptions = {}): Subscription => {
    const { callback } = options;
    if (callback === undefined) throw new TypeError("A service takes messages by a callback");
    const take: NonNullable<SubscriptionOptions["callback"]> = (error, message: Msg) => {
      if (error === null && message.reply !== undefined && !mayAnswerTo(message.reply, isInboxOnly)) onDropped();
      else callback(error, message);
    };
    return client.subscribe(subject, { ...options, callback: take });
  };
  return Object.create(client, { subscribe: { value: subscribe } }) as NatsConnection;
}
