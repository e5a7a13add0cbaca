import { suite } from "uvu";
import * as assert from "uvu/assert";
import { translateFailure, untilAborted } from "../../../../actors/vector_store/lancedb/failures.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { rejects } from "../vector_store_contract.ts";

const failures = suite("lancedb failures");
const index = { collection: "docs", version: 3 };

/** As LanceDB 0.39.0 says it, on a small file system that was filled, on a folder that was removed, and so on. */
const SAID = [
  ["Table 'docs.v3' was not found  Caused by: Dataset at path srv/data/docs.v3.lance was not found", "not_found"],
  [
    "lance error: LanceError(IO): Generic LocalFileSystem error: Unable to copy data to file: No space left on device (os error 28), /usr/local/x.rs:1680:50",
    "storage_full",
  ],
  ["lance error: LanceError(IO): No space left on device (os error 28), /usr/local/cargo/structural.rs:188:9", "storage_full"],
  ["lance error: LanceError(IO): Disk quota exceeded (os error 122), /usr/local/x.rs:1:1", "storage_full"],
  [
    "Failed to get next batch from stream: lance error: LanceError(IO): Wrapped error: Not found: /srv/data/docs.v3.lance/data/01.lance",
    "unavailable",
  ],
  [
    "Invalid input, Error parsing statement: SELECT 1 FROM t WHERE a_n =  (sql parser error: Expected: an expression, found: EOF)",
    "internal",
  ],
  ["Invalid input, Schema error: No field named nokey. Valid fields are `id`", "internal"],
  ["something nobody has seen yet in /srv/data", "unavailable"],
] as const;

failures("What LanceDB says becomes a code of the table, in words of ours, and stays as the cause", () => {
  for (const [words, code] of SAID) {
    const thrown = new Error(words);
    const error = translateFailure(thrown, "search", index);
    assert.is(error.code, code, words);
    assert.match(error.message, 'Cannot search index "docs" version 3');
    assert.not.match(error.message, "/");
    assert.is(error.cause, thrown);
  }
});

failures("A failure that has a code already keeps it", () => {
  const conflict = kennelError("conflict", { param: "vector" });
  assert.is(translateFailure(conflict, "write", index), conflict);
});

failures("Work that outlives its signal is let go at once, and its own failure is nobody's", async () => {
  const controller = new AbortController();
  const work = Promise.withResolvers<never>();
  const outcome = untilAborted(work.promise, controller.signal);
  controller.abort();
  await rejects(outcome, "cancelled");
  work.reject(new Error("too late"));
  assert.is(await untilAborted(Promise.resolve(7), new AbortController().signal), 7);
});

failures.run();
