/**
 * Who has changed what, and who was refused: one JSON line each, apart from what the node says of itself.
 *
 * Invariants:
 *   U1. A line holds no key, no body and no query; what a caller chose (path, method) is cut and escaped as JSON, so that it
 *       can neither end its line nor make another.
 *   U2. Refusals have a bounded rate of their own: who is refused a thousand times a second pushes no change out of the file.
 *   U3. Writing waits for nobody: what a full disk, or a slow one, does not take is counted as lost and told of.
 */
import { type DestinationStream, pino, stdTimeFunctions } from "pino";
import type { Clock } from "../../runtime/clock.ts";
import { TokenBucket } from "../../runtime/token_bucket.ts";

export type AuditReason = "key" | "grant" | "limit" | "host" | "origin";

/** One request that changed something, was to, or was refused. */
export interface AuditedRequest {
  /** What the route is for, or that nobody got so far. */
  readonly event: "write" | "admin" | "refused";
  /** The key's id; null: there was none, or it was not good. */
  readonly keyId: string | null;
  readonly via: "http" | "nats";
  /** The address that the connection came from; null: it came over NATS. */
  readonly peer: string | null;
  readonly method: string;
  /** The route's pattern. */
  readonly route: string;
  /** As it was asked for. */
  readonly target: string;
  readonly status: number;
  readonly outcome: "done" | "refused" | "failed";
  /** What it was refused for; null: it was not. */
  readonly reason: AuditReason | null;
  readonly requestId: string;
  /** Of a request to `/mcp` that a tool refused: its answer is the protocol's own, with status 200. Absent: it was another. */
  readonly tool?: RefusingTool;
}

export interface RefusingTool {
  readonly name: string;
  /** The collection, or the document's id, that it was asked for. */
  readonly asked: string;
}

/** Keys that were made, or that are good no more, as the node has found their file. Ids, not keys. */
export interface AuditedKeys {
  readonly added: readonly string[];
  readonly ended: readonly string[];
}

export interface AuditLog {
  request(request: AuditedRequest): void;
  keysChanged(keys: AuditedKeys): void;
  /** Resolves when all that was taken is written. */
  close(): Promise<void>;
}

export const NO_AUDIT: AuditLog = { request: () => undefined, keysChanged: () => undefined, close: async () => undefined };

/** Where lines go. */
export interface AuditDestination extends DestinationStream {
  close(): Promise<void>;
}

const REFUSALS_PER_SECOND = 50;
const REFUSALS_AT_ONCE = 500;
const MAX_TARGET = 512;
const MAX_METHOD = 16;
/** Of a key that somebody has put into a path: what follows its id. */
const SECRET_OF_KEY = /(kennel_[0-9a-f]{12}_)[A-Za-z0-9_-]+/g;
/** Ids named in one line. */
const MAX_IDS = 100;

export function createAuditLog(node: string, clock: Clock, destination: AuditDestination): AuditLog {
  const lines = pino({ level: "info", base: { node, audit: true }, timestamp: stdTimeFunctions.isoTime }, destination);
  const refusals = new TokenBucket(REFUSALS_PER_SECOND, REFUSALS_AT_ONCE, clock.monotonicMs());
  let left = 0;
  return {
    request({ target, method, tool, ...rest }) {
      if (rest.reason !== null && refusals.take(clock.monotonicMs()) > 0) {
        left += 1; // U2
        return;
      }
      // A query may hold what somebody searched for; the path says what was changed.
      const path = shown(target.split(/[?#]/, 1)[0] as string);
      const refusing = tool === undefined ? {} : { tool: tool.name, asked: shown(tool.asked) };
      lines.info({ ...rest, method: method.slice(0, MAX_METHOD), target: path, ...refusing, ...leftOut() });
    },
    keysChanged({ added, ended }) {
      lines.info({ event: "keys", outcome: "done", added: added.slice(0, MAX_IDS), ended: ended.slice(0, MAX_IDS) });
    },
    async close() {
      if (left > 0) lines.info({ event: "refused", outcome: "refused", ...leftOut() });
      await destination.close();
    },
  };

  /** U1 */
  function shown(chosen: string): string {
    return chosen.slice(0, MAX_TARGET).replace(SECRET_OF_KEY, "$1[masked]");
  }

  /** How many refusals have no line of their own since the last one that has. */
  function leftOut(): { readonly left_out?: number } {
    if (left === 0) return {};
    const left_out = left;
    left = 0;
    return { left_out };
  }
}
