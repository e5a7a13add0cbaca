import { createInbox, type Msg, type NatsConnection } from "nats";
import type { KennelError } from "../../runtime/errors.ts";

/** Somebody who waits for one or more messages. */
export interface Awaiting {
  /** The subject of what was asked. */
  readonly asked: string;
  onMessage(message: Msg): void;
  /** No message will come any more. */
  onLost(error: KennelError): void;
}

/** Where everything that this node has asked for arrives: one subscription, a token for each request. */
export class Inbox {
  readonly #base: string;
  readonly #awaiting = new Map<string, Awaiting>();
  readonly #onLate: (subject: string) => void;
  #tokens = 0;

  /** @param onLate a reply came that nobody waits for: after its deadline, or a second one */
  constructor(prefix: string, onLate: (subject: string) => void) {
    this.#base = `${createInbox(prefix)}.`;
    this.#onLate = onLate;
  }

  get size(): number {
    return this.#awaiting.size;
  }

  subscribe(client: NatsConnection): void {
    client.subscribe(`${this.#base}*`, { callback: (error, message) => error === null && this.#take(message) });
  }

  /** @returns the subject to reply to */
  open(awaiting: Awaiting): string {
    const token = String(++this.#tokens);
    this.#awaiting.set(token, awaiting);
    return this.#base + token;
  }

  close(subject: string): void {
    this.#awaiting.delete(subject.slice(this.#base.length));
  }

  /** @param asked only what has asked this subject; null: all */
  loseAll(error: KennelError, asked: string | null): void {
    for (const awaiting of [...this.#awaiting.values()]) if (asked === null || awaiting.asked === asked) awaiting.onLost(error);
  }

  #take(message: Msg): void {
    const awaiting = this.#awaiting.get(message.subject.slice(this.#base.length));
    if (awaiting === undefined) this.#onLate(message.subject);
    else awaiting.onMessage(message);
  }
}

/** NATS' own answer to a message that nobody has subscribed to. */
export function isNoResponders(message: Msg): boolean {
  return message.data.length === 0 && message.headers?.code === 503;
}
