import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startKennel } from "../support/kennel_process.ts";
import { Caller } from "./caller.ts";

test("A second process on a data folder is refused and harms nothing, and a killed one leaves nothing in the way", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-folder-"));
  const settings = { KENNEL_PROFILE: "test", KENNEL_DATA_DIR: join(folder, "data") };
  const first = await startKennel(settings);
  try {
    const caller = new Caller(first.url);
    await caller.makeCollection("kept");
    await caller.addDocuments("kept", [{ id: "one", text: "kept through it all" }]);

    const refusal = await startKennel(settings).then(
      async (second) => {
        await second.stop();
        return "it started";
      },
      (error: Error) => error.message,
    );
    assert.match(refusal, "ended with exit code 1");
    assert.match(refusal, "Cannot use the data folder: another Kennel process holds it");
    assert.not.match(refusal, /\n\s+at /, "a stack is shown to a person who has to stop the other process");
    assert.equal(await caller.found("kept", { query: "kept" }), ["one"]);
    await caller.addDocuments("kept", [{ id: "two", text: "kept as well" }]);

    first.signal("SIGKILL");
    await first.ended;
    const third = await startKennel(settings);
    try {
      assert.equal((await new Caller(third.url).found("kept", { query: "kept" })).sort(), ["one", "two"]);
    } finally {
      await third.stop();
    }
  } finally {
    await first.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
