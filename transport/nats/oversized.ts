import { ErrorCode, NatsError } from "nats";
import { type KennelError, kennelError } from "../../runtime/errors.ts";

/** Whether the client has refused a message because the server would close the connection over it. */
export function isOversized(thrown: unknown): boolean {
  return thrown instanceof NatsError && thrown.code === ErrorCode.MaxPayloadExceeded;
}

export function tooLarge(what: "request" | "answer", bytes: number, maxBytes: number): KennelError {
  const advice = what === "answer" ? "; ask for fewer hits, leave out their text, or ask over HTTP, which has no such limit" : "";
  return kennelError("payload_too_large", {
    message: `The ${what} has ${bytes} bytes, and NATS carries at most ${maxBytes} in one message, headers included${advice}`,
  });
}
