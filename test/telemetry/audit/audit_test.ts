import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../runtime/clock.ts";
import { AuditFile } from "../../../telemetry/audit/audit_file.ts";
import { type AuditedRequest, createAuditLog } from "../../../telemetry/audit/audit_log.ts";
import { manualClock } from "../../support/manual_clock.ts";

const CHANGE: AuditedRequest = {
  event: "write",
  keyId: "0123456789ab",
  via: "http",
  peer: "127.0.0.1",
  method: "PUT",
  route: "/v1/collections/{collection}",
  target: "/v1/collections/docs?x=searched",
  status: 201,
  outcome: "done",
  reason: null,
  requestId: "req_1",
};
const REFUSAL: AuditedRequest = { ...CHANGE, event: "refused", keyId: null, status: 401, outcome: "refused", reason: "key" };

function collected(clock = manualClock()) {
  const lines: string[] = [];
  const audit = createAuditLog("n", clock, { write: (line) => void lines.push(line), close: async () => undefined });
  return { audit, lines, clock, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test("A line says who did what, where, with what outcome, under which request id, and nothing of the query", () => {
  const { audit, lines, parsed } = collected();
  audit.request(CHANGE);
  const [line] = parsed();
  const { time: _time, level: _level, ...rest } = line ?? {};
  assert.equal(rest, { node: "n", audit: true, ...CHANGE, target: "/v1/collections/docs" });
  assert.not.match(lines.join(""), "searched");
});

test("What a caller chose can end no line and make no other", () => {
  const { audit, lines, parsed } = collected();
  const planted = '/v1/x\n{"audit":true,"event":"admin","outcome":"done"}\u2028\r\n\u0000"';
  audit.request({ ...REFUSAL, target: planted, method: `GET\n${"x".repeat(100)}` });
  audit.request({ ...REFUSAL, target: `/${"y".repeat(100_000)}` });
  assert.is(lines.length, 2);
  for (const line of lines) assert.equal([line.indexOf("\n"), line.length < 2_000], [line.length - 1, true]);
  assert.is(parsed()[0]?.target, planted.split("?")[0]);
  assert.is(parsed()[0]?.event, "refused");
});

test("A flood of refusals is cut, says by how much, and leaves changes alone", async () => {
  const { audit, parsed, clock } = collected();
  for (let turn = 0; turn < 10_000; turn++) audit.request(REFUSAL);
  audit.request(CHANGE);
  const lines = parsed();
  assert.is(lines.length, 501);
  assert.is(lines.at(-1)?.event, "write");
  clock.advanceNow(1_000);
  audit.request(REFUSAL);
  const told = parsed();
  const leftOut = told.reduce((sum, { left_out }) => sum + Number(left_out ?? 0), 0);
  assert.is(leftOut + told.filter(({ reason }) => reason === "key").length, 10_001, "each refusal is a line, or counted in one");
});

test("The file is its owner's alone, is put aside at its size, and the oldest goes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-audit-"));
  const lost: unknown[] = [];
  const options = { folder: join(folder, "audit"), maxFileBytes: 4_096, maxFiles: 2, clock: systemClock() };
  const file = new AuditFile({ ...options, onLost: (cause) => lost.push(cause), count: () => undefined });
  const audit = createAuditLog("n", systemClock(), file);
  for (let turn = 0; turn < 200; turn++) audit.request({ ...CHANGE, requestId: `req_${turn}` });
  await audit.close();
  const names = (await readdir(options.folder)).sort();
  assert.equal(names, ["audit.log", "audit.log.1", "audit.log.2"]);
  for (const name of names) {
    const { size, mode } = await stat(join(options.folder, name));
    assert.equal([size < 8_192, mode & 0o777], [true, 0o600], name);
  }
  const newest =
    (await readFile(join(options.folder, "audit.log"), "utf8")) || (await readFile(join(options.folder, "audit.log.1"), "utf8"));
  assert.match(newest, '"requestId":"req_199"');
  assert.equal(lost, []);
  await rm(folder, { recursive: true });
});

test("Where the file cannot be written lines are counted as lost and told of once; the node goes on, and so does the file when it can", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-audit-"));
  const clock = manualClock();
  const told = Promise.withResolvers<void>();
  let [count, lost] = [0, 0];
  const inside = join(folder, "audit");
  const parts = { folder: inside, maxFileBytes: 1_048_576, maxFiles: 2, clock };
  const file = new AuditFile({
    ...parts,
    count: () => {
      count += 1;
    },
    onLost: () => {
      lost += 1;
      told.resolve();
    },
  });
  await file.close();
  await rm(inside, { recursive: true });
  file.write("lost 1\n");
  file.write("lost 2\n");
  await told.promise;
  assert.equal([count, lost], [2, 1]);
  await rm(folder, { recursive: true, force: true });
});

test.run();
