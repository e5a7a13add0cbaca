import { ErrorCode, type MsgHdrs, NatsError } from "nats";
import { type KennelError, kennelError } from "../../runtime/errors.ts";
import { NATS_HEADERS } from "./headers.ts";

/** Whether the client has refused a message because the server would close the connection over it. */
export function isOversized(thrown: unknown): boolean {
  return thrown instanceof NatsError && thrown.code === ErrorCode.MaxPayloadExceeded;
}

export function tooLarge(what: "request" | "answer", bytes: number, maxBytes: number): KennelError {
  const advice = what === "answer" ? `; ${adviceFor(bytes, maxBytes)}` : "";
  return kennelError("payload_too_large", {
    message: `The ${what} has ${bytes} bytes, and NATS carries at most ${maxBytes} in one message, headers included${advice}`,
  });
}

/** Both sizes, for who would rather count than read. */
export function writeSizes(bytes: number, maxBytes: number, written: MsgHdrs): MsgHdrs {
  written.set(NATS_HEADERS.answerBytes, String(bytes));
  written.set(NATS_HEADERS.maxBytes, String(maxBytes));
  return written;
}

function adviceFor(bytes: number, maxBytes: number): string {
  const percent = Math.max(1, Math.floor((100 * maxBytes) / bytes));
  return `about ${percent} % of it would fit: ask for fewer hits (top_k), for less of each (include), with the header ${NATS_HEADERS.parts}: 1 for an answer in parts, or ask over HTTP, which has no such limit`;
}
