import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TlsFiles } from "../../node/tls.ts";
import { createLogger } from "../../telemetry/logs.ts";
import { manualClock } from "../support/manual_clock.ts";

const CERTIFICATES = new URL("../data/tls/", import.meta.url);

test("Files that are half replaced or broken change nothing and are told of once; whole ones are handed over, once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-tls-"));
  const put = (name: string, ending: string) => copyFile(new URL(`${name}.${ending}`, CERTIFICATES), join(folder, `tls.${ending}`));
  await put("server", "pem");
  await put("server", "key");
  const lines: string[] = [];
  const logger = createLogger({ level: "info", node: "n" }, { write: (line) => void lines.push(line) });
  const clock = manualClock();
  const tls = { certFile: join(folder, "tls.pem"), keyFile: join(folder, "tls.key"), clientCaFile: "", checkMs: 1_000 };
  const files = await TlsFiles.open({ config: { tls }, clock, logger });
  assert.ok(files);
  const before = files.material;
  const replaced: string[] = [];
  files.follow(({ cert }) => replaced.push(cert));
  await files.check();
  assert.equal([replaced, lines], [[], []], "nothing has changed");
  await put("next-server", "pem"); // its key is still on its way
  await files.check();
  await files.check();
  await writeFile(tls.keyFile, "broken");
  await files.check();
  await rm(tls.keyFile);
  await files.check();
  assert.equal([replaced, files.material], [[], before]);
  assert.is(lines.length, 1);
  assert.not.match(lines.join(""), folder);
  await put("next-server", "key");
  await files.check();
  await files.check();
  assert.is(replaced.length, 1);
  assert.is(files.material.cert, replaced[0]);
  assert.is(clock.pendingTimers, 1, "it looks by itself, too");
  await files.close();
  assert.is(clock.pendingTimers, 0);
  await rm(folder, { recursive: true });
});

test.run();
