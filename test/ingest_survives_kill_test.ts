import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../runtime/clock.ts";
import { seededRandom } from "../runtime/random.ts";
import { operationOf } from "./actors/ingest/ingest_child.ts";
import { type IngestParts, openIngest, signal } from "./actors/ingest/ingest_parts.ts";

const KILLS = 20;
const SEED = 20_260_101;
/** From the first operation of a life; opening the stores again takes longer than most of these. */
const MAX_LIFE_MS = 250;

/** Starts the process, lets it work for a while, kills it, and returns the operations it began and those it acknowledged. */
async function liveAndDie(folder: string, from: number, lifeMs: number): Promise<{ begun: number[]; done: number[] }> {
  const script = fileURLToPath(new URL("./actors/ingest/ingest_child.ts", import.meta.url));
  const run = "deno" in process.versions ? ["run", "-A", "--no-lock", script] : ["--disable-warning=ExperimentalWarning", script];
  const child = spawn(process.execPath, [...run, folder, String(from)], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise<NodeJS.Signals | null>((resolve) => child.once("exit", (_code, by) => resolve(by)));
  const [begun, done]: [number[], number[]] = [[], []];
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, number] = line.split(" ");
    if (word === "ready") systemClock().setTimer(lifeMs, () => void child.kill("SIGKILL"));
    if (word === "begin") begun.push(Number(number));
    if (word === "done") done.push(Number(number));
  }
  assert.is(await exited, "SIGKILL", "it was killed and did not end by itself");
  return { begun, done };
}

/** The text that each document must have after what was acknowledged; what a killed operation touched may be either. */
function expectation(begun: readonly number[], done: ReadonlySet<number>): Map<string, Set<string | null>> {
  const expected = new Map<string, Set<string | null>>();
  for (const number of begun) {
    const { kind, ids, text } = operationOf(number);
    for (const id of ids) {
      const outcome = kind === "put" ? text : null;
      const before = expected.get(id) ?? new Set([null]);
      expected.set(id, done.has(number) ? new Set([outcome]) : new Set([...before, outcome]));
    }
  }
  return expected;
}

async function settled(parts: IngestParts): Promise<void> {
  for (const job of await parts.documents.openJobs(signal)) assert.is((await parts.finished(job.id)).status, "completed");
  while ((await parts.documents.deletingDocuments(1, signal)).length > 0) await parts.clock.advance(10);
}

test("After twenty kills at any moment every acknowledged document is in both stores, and nothing is half indexed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kennel-kill-"));
  const random = seededRandom(SEED);
  const begun: number[] = [];
  const done = new Set<number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const life = await liveAndDie(folder, begun.length === 0 ? 0 : Math.max(...begun) + 1, random.next() * MAX_LIFE_MS);
    begun.push(...life.begun);
    for (const number of life.done) done.add(number);
  }
  assert.ok(done.size > 0, `seed ${SEED}: no operation was acknowledged`);
  const parts = await openIngest({ folder });
  try {
    await settled(parts);
    const rows = Map.groupBy(await parts.rows("docs"), (row) => row.documentId);
    let documents = 0;
    for (const [id, texts] of expectation(begun, done)) {
      const stored = await parts.documents.getDocument("docs", id, signal);
      assert.ok(texts.has(stored?.text ?? null), `seed ${SEED}: ${id} is ${stored?.text ?? "gone"}, expected ${[...texts].join(" or ")}`);
      const own = rows.get(id) ?? [];
      if (stored === null) assert.equal(own, [], `seed ${SEED}: ${id} is gone and still has rows`);
      else {
        documents += 1;
        assert.is(stored.state, "indexed", `seed ${SEED}: ${id}`);
        assert.equal([own.length, own[0]?.text], [stored.chunks, stored.text], `seed ${SEED}: rows of ${id}`);
      }
      rows.delete(id);
    }
    assert.is(rows.size, 0, `seed ${SEED}: rows of documents that nobody has sent`);
    const { record } = parts.catalog.require("docs");
    assert.equal([record.documents, record.chunks], [documents, documents]);
  } finally {
    await parts.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
