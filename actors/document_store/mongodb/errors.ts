import { MongoError, MongoServerError } from "mongodb";
import { KennelError, kennelError } from "../../../runtime/errors.ts";

/** Another document has the `_id` or the unique key. */
const DUPLICATE_KEY = 11_000;
const OUT_OF_DISK_SPACE = 14_031;
const MAX_TIME_EXPIRED = 50;
/** Authentication failed; not authorised. */
const REFUSED = [18, 13];
/** The server is stepping down, starting or stopping, or is no primary. */
const IN_TRANSITION = [89, 91, 189, 9001, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436];

/** The server says that it failed itself: InternalError, UnknownError, OperationFailed. */
const FAILED = [1, 8, 96];

/** The client could not reach a server, or lost it, or had none left to use. */
const CONNECTION_ERRORS = new Set([
  "MongoNetworkError",
  "MongoNetworkTimeoutError",
  "MongoServerSelectionError",
  "MongoPoolClearedError",
  "MongoPoolClosedError",
  "MongoTopologyClosedError",
  "MongoNotConnectedError",
  "MongoClientClosedError",
  "MongoExpiredSessionError",
]);

export function isDuplicateKey(thrown: unknown): boolean {
  return thrown instanceof MongoServerError && thrown.code === DUPLICATE_KEY;
}

/** What a caller may read of it; what the driver said stays in the cause. */
export function toStoreError(thrown: unknown): KennelError {
  if (thrown instanceof KennelError) return thrown;
  if (!(thrown instanceof MongoError)) return kennelError("internal", { cause: thrown });
  if (thrown.name === "MongoWaitQueueTimeoutError") {
    return kennelError("overloaded", {
      message: "No connection to the document store became free in time",
      retryAfterMs: 1_000,
      cause: thrown,
    });
  }
  if (CONNECTION_ERRORS.has(thrown.name)) return unavailable("The document store cannot be reached", thrown);
  const code = Number(thrown.code);
  if (code === OUT_OF_DISK_SPACE || /disk is full|SQLITE_FULL/i.test(thrown.message)) {
    return kennelError("storage_full", {
      message: "The document store has no space left; what it holds can still be read",
      retryAfterMs: 10_000,
      cause: thrown,
    });
  }
  if (code === MAX_TIME_EXPIRED) return kennelError("deadline_exceeded", { cause: thrown });
  if (REFUSED.includes(code)) return unavailable("The document store does not let this node in", thrown);
  const isPassing = thrown.hasErrorLabel("RetryableWriteError") || thrown.hasErrorLabel("TransientTransactionError");
  if (IN_TRANSITION.includes(code) || isPassing) return unavailable("The document store is changing its primary", thrown);
  if (FAILED.includes(code)) return unavailable("The document store failed", thrown);
  return kennelError("internal", { cause: thrown });
}

function unavailable(message: string, cause: MongoError): KennelError {
  return kennelError("unavailable", { message, retryAfterMs: 1_000, cause });
}
