import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KennelError } from "../../runtime/errors.ts";
import { lockFolder } from "../../runtime/folder_lock.ts";

const locks = suite<{ folder: string }>("folder lock");
locks.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "kennel-lock-"));
});
locks.after.each((context) => rmSync(context.folder, { recursive: true, force: true }));

function refusal(folder: string): string {
  try {
    lockFolder(folder).release();
    return "none";
  } catch (thrown) {
    assert.instance(thrown, KennelError);
    assert.match((thrown as KennelError).message, "another Kennel process");
    return (thrown as KennelError).code;
  }
}

locks("A folder is made, locked once, and free after its release", ({ folder }) => {
  const inner = join(folder, "made", "here");
  const lock = lockFolder(inner);
  assert.is(refusal(inner), "conflict");
  assert.is(refusal(join(folder, "other")), "none");
  lock.release();
  lock.release();
  assert.is(refusal(inner), "none");
});

locks("A lock dies with its process, however that ends", async ({ folder }) => {
  const script = fileURLToPath(new URL("./lock_holder.ts", import.meta.url));
  const run = "deno" in process.versions ? ["run", "-A", script, folder] : [script, folder];
  const child = spawn(process.execPath, run, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  assert.is(refusal(folder), "conflict");
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  assert.is(refusal(folder), "none");
});

locks.run();
