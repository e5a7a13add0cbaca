/**
 * Questions of NATS' servers that are sealed for the nodes (`auth_callout { xkey }`), and answers that are sealed for the server
 * that asked: X25519 keys of one account's nodes and one of each server. Source: ADR-26 of nats-architecture-and-design.
 *
 * Invariants:
 *   E1. A sealed question is answered sealed, or not at all.
 *   E2. Who sealed it is the server that it says it comes from; who only heard a question cannot have its answer.
 */
import { Buffer } from "node:buffer";
import { type AuthorizationRequest, decode, type KeyPair } from "@nats-io/jwt";

const SERVER_KEY_HEADER = "Nats-Server-Xkey";
const decoder = new TextDecoder("utf-8", { fatal: true });

/** What of a message is read. */
export interface SealedMessage {
  readonly data: Uint8Array;
  readonly headers?: { get(name: string): string } | undefined;
}

/** What is wrong with the sealing; its message quotes nothing. */
export class SealingError extends Error {
  override readonly name = "SealingError";
}

export interface OpenedQuestion {
  /** A token of NATS. */
  readonly question: string;
  readonly isSealed: boolean;
  seal(answer: string): Uint8Array;
}

/**
 * @param ownKey this node's, whose public part the servers' configuration names as `xkey`; null: it has none
 * @throws SealingError where the question is sealed and cannot be opened by it, or was sealed by another than it says
 */
export function openQuestion({ data, headers }: SealedMessage, ownKey: KeyPair | null): OpenedQuestion {
  const serverKey = headers?.get(SERVER_KEY_HEADER) ?? "";
  if (serverKey === "") return { question: decoder.decode(data), isSealed: false, seal: (answer) => Buffer.from(answer) };
  if (ownKey === null) throw new SealingError("NATS' servers seal their questions, and nats.calloutXkeySeed is not set");
  const opened = unsealed(ownKey, data, serverKey);
  if (opened === null) throw new SealingError("The question was sealed for another key than nats.calloutXkeySeed, or changed on its way");
  const question = decoder.decode(opened);
  const { server_id: server } = decode<AuthorizationRequest>(question).nats;
  if (server?.xkey !== serverKey) throw new SealingError("The question was sealed by another than the server that it says it comes from"); // E2
  return { question, isSealed: true, seal: (answer) => ownKey.seal(Buffer.from(answer), serverKey) }; // E1
}

/** Null: it is not for this key, or not by that one. */
function unsealed(ownKey: KeyPair, data: Uint8Array, serverKey: string): Uint8Array | null {
  try {
    return ownKey.open(data, serverKey);
  } catch {
    return null; // no sealed message at all, or no key
  }
}
