/**
 * Who may connect to NATS, answered by a node where the servers ask (`authorization { auth_callout }`, nats-server 2.10 and
 * later): whoever shows a key of Kennel as token or as password, with what the key's scope allows. What of which collection a
 * key may ask is not NATS' to know: each message brings the key in its header, as over HTTP.
 *
 * Invariants:
 *   C1. A connection is let in for a key that is good at that moment, and for `sessionMs`; then its client comes again.
 *   C2. A user hears what is sent to inboxes of its own key and nothing else: `_INBOX.ID.>`.
 *   C3. What cannot be read, is too much at once, or fails is answered with a refusal or not at all: servers let nobody in then.
 *   C4. No key is in a token of NATS, a log line or an answer.
 */
import { type AuthorizationRequest, decode, encodeAuthorizationResponse, encodeUser, type KeyPair } from "@nats-io/jwt";
import type { Msg, NatsConnection } from "nats";
import type { Clock } from "../../runtime/clock.ts";
import type { AuditLog } from "../../telemetry/audit/audit_log.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { NatsLink } from "../../transport/nats/link.ts";
import { SUBJECT_ROOT } from "../../transport/nats/subjects.ts";
import { allowsScope, type Caller } from "../keys/grant.ts";
import type { KeyVerifier } from "../keys/key_ring.ts";
import { openQuestion, SealingError } from "./callout_encryption.ts";

export interface AuthCalloutParts {
  readonly link: NatsLink;
  readonly keys: KeyVerifier;
  /** Of the account whose public key the servers' configuration names as issuer. */
  readonly issuer: KeyPair;
  /** By which questions are opened that servers seal; null: none is. */
  readonly xkey: KeyPair | null;
  /** The servers' account that callers come into. */
  readonly account: string;
  readonly sessionMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly audit: AuditLog;
  /** What goes wrong, by kind. */
  readonly count: (event: string) => void;
  /** A connection was not let in. */
  readonly refused: () => void;
}

const SUBJECT = "$SYS.REQ.USER.AUTH";
/** Nodes share each question between them. */
const QUEUE = "kennel_auth";
const AUDIENCE = "nats-authorization-request";
/** Questions answered at once: each takes a signature or two, some milliseconds of this thread. */
const MAX_AT_ONCE = 64;
const REFUSAL = "No valid key was given; show one as token or as password";

const READS = ["search", "search.*", "at.*.search.*", "chat", "chat.*", "jobs.*", "status", "schema"];
const WRITES = ["ingest", "ingest.*"];
/** By which NATS' tools find services. */
const DISCOVERY = ["PING", "INFO", "STATS"].flatMap((verb) => [`$SRV.${verb}`, `$SRV.${verb}.kennel`, `$SRV.${verb}.kennel.*`]);

/** What a key's holder may do on NATS. */
function permissionsOf({ keyId, scope }: Pick<Caller, "keyId" | "scope">) {
  const asked = [...READS, ...(allowsScope(scope, "write") ? WRITES : [])];
  return {
    pub: { allow: [...asked.map((name) => `${SUBJECT_ROOT}.${name}`), ...DISCOVERY] },
    sub: { allow: [`_INBOX.${keyId}.>`] }, // C2
  };
}

export class AuthCallout {
  readonly #parts: AuthCalloutParts;
  readonly #detach: () => void;
  #underWay = 0;

  constructor(parts: AuthCalloutParts) {
    this.#parts = parts;
    this.#detach = parts.link.attach({ onClient: (client) => this.#subscribe(client) });
  }

  /** Asks for no more of them; what the connection still brings goes unanswered. */
  stop(): void {
    this.#detach();
  }

  #subscribe(client: NatsConnection): void {
    client.subscribe(SUBJECT, { queue: QUEUE, callback: (error, message) => void (error === null && this.#take(message)) });
  }

  /** Never rejects. */
  async #take(message: Msg): Promise<void> {
    const { count, logger, xkey } = this.#parts;
    if (this.#underWay >= MAX_AT_ONCE) return count("callout_overloaded"); // C3
    this.#underWay += 1;
    try {
      const { question, isSealed, seal } = openQuestion(message, xkey);
      if (!isSealed && xkey !== null) count("callout_in_clear"); // of a server that is still to be told of the key
      message.respond(seal(await this.#answer(question)));
    } catch (thrown) {
      count("callout_failed");
      // Not what was thrown by others: it may quote the question, which holds a key.
      const why = thrown instanceof SealingError ? thrown.message : (thrown as Error | null)?.name;
      logger.error({ why }, "a question of NATS who may connect could not be answered; nobody was let in");
    } finally {
      this.#underWay -= 1;
    }
  }

  async #answer(question: string): Promise<string> {
    const { issuer, account, sessionMs, clock } = this.#parts;
    const { aud, nats } = decode<AuthorizationRequest>(question);
    const { server_id: server, user_nkey: user, connect_opts: given, client_info: client } = nats;
    if (aud !== AUDIENCE || server === undefined || user === undefined) throw new TypeError("Not a question who may connect");
    const caller = this.#callerOf(given?.auth_token || given?.pass || "");
    if (caller === null) {
      this.#tellOf(client?.host ?? null);
      return encodeAuthorizationResponse(user, server.id, issuer, { error: REFUSAL }, {});
    }
    const exp = Math.floor((clock.wallMs() + sessionMs) / 1_000); // C1
    const jwt = await encodeUser(caller.keyId, user, issuer, permissionsOf(caller), { aud: account, exp });
    return encodeAuthorizationResponse(user, server.id, issuer, { jwt }, {});
  }

  #callerOf(key: string): Caller | null {
    try {
      return this.#parts.keys.verify(`Bearer ${key}`);
    } catch {
      return null;
    }
  }

  #tellOf(peer: string | null): void {
    const { audit, refused } = this.#parts;
    refused();
    audit.request({
      event: "refused",
      keyId: null,
      via: "nats",
      peer,
      method: "CONNECT",
      route: "nats",
      target: "",
      status: 401,
      outcome: "refused",
      reason: "key",
      requestId: "",
    });
  }
}
