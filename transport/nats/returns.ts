import type { NatsConnection } from "nats";
import { Inbox, isNoResponders } from "./inbox.ts";

/**
 * Where NATS says that an answer has reached nobody: every answer names a subject of this inbox as the one to reply to, and
 * an asker that is there does not.
 */
export class Returns {
  /** Of answers that are one message. */
  readonly whole: string;
  readonly #inbox: Inbox;
  readonly #onGone: () => void;
  /** Each chunk of a stream comes back; one asker has gone. */
  #lastGone = "";

  /** @param onGone once for each asker that has gone */
  constructor(inboxPrefix: string, onGone: () => void) {
    this.#onGone = onGone;
    this.#inbox = new Inbox(inboxPrefix, (subject) => this.#note(subject));
    this.whole = this.#inbox.open({ asked: "", onLost: () => undefined, onMessage: (message) => isNoResponders(message) && onGone() });
  }

  subscribe(client: NatsConnection): void {
    this.#inbox.subscribe(client);
  }

  /** For the chunks of one answer, until `close`. @param leave is called when its asker has gone */
  open(leave: () => void): string {
    const subject = this.#inbox.open({
      asked: "",
      onLost: () => undefined,
      onMessage: (message) => {
        if (!isNoResponders(message)) return;
        this.#note(subject);
        leave();
      },
    });
    return subject;
  }

  close(subject: string): void {
    this.#inbox.close(subject);
  }

  #note(subject: string): void {
    if (subject === this.#lastGone) return;
    this.#lastGone = subject;
    this.#onGone();
  }
}
