import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type FileResult, judge, runTestFiles } from "../../tooling/test_files.ts";

const test = suite("test runner");
const totals = (total: number, passed: number, skipped = 0) =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n\n`;
const outcome = (output: string, code: number | null = 0, timedOut = false) => ({ output, code, timedOut, durationMs: 1 });

test("A file's counts are those that uvu prints last", () => {
  const result = judge("a_test.ts", "deno", outcome(`${totals(99, 1)}${totals(5, 5, 2)}`));
  assert.equal([result.passed, result.failed, result.skipped, result.problem], [5, 0, 2, null]);
});

test("Failed tests are counted one by one", () => {
  const result = judge("a_test.ts", "deno", outcome(totals(5, 3), 1));
  assert.equal([result.passed, result.failed, result.problem], [3, 2, null]);
});

test("A file that proves nothing has failed: no total, no test, a late crash, no end", () => {
  assert.is(judge("a", "node", outcome("nothing")).problem, "printed no total (exit code 0)");
  assert.is(judge("a", "node", outcome(totals(0, 0))).problem, "registered no test");
  assert.is(judge("a", "node", outcome(totals(2, 2), 1)).problem, "passed its tests, then ended with exit code 1");
  assert.is(judge("a", "node", outcome(totals(2, 2), null, true)).problem, "did not end within 0.0 s and was killed");
  for (const wrong of [outcome("nothing"), outcome(totals(0, 0)), outcome(totals(2, 2), 1)]) assert.is(judge("a", "node", wrong).failed, 1);
});

test("Files of one lane run one after the other, beside those of another", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kennel-runner-"));
  try {
    // Each file holds its lane's name while it runs; the other lane's waits until it has seen both held at once.
    const lane = (name: string, other: string) => {
      const [mine, theirs] = [join(folder, name), join(folder, other)].map((path) => JSON.stringify(path));
      return `import { existsSync, mkdirSync, rmdirSync } from "node:fs";
        mkdirSync(${mine}); // fails while another file of the lane runs
        const limit = Date.now() + 5_000;
        while (!existsSync(${theirs}) && !existsSync(${theirs} + ".done") && Date.now() < limit) await new Promise((next) => setTimeout(next, 5));
        if (!existsSync(${theirs}) && !existsSync(${theirs} + ".done")) throw new Error("ran alone");
        mkdirSync(${mine} + ".done", { recursive: true });
        await new Promise((next) => setTimeout(next, 50));
        rmdirSync(${mine});
        console.log(${JSON.stringify(totals(1, 1))});`;
    };
    const files = ["a", "b"].flatMap((name) =>
      [1, 2].map((count) => {
        const file = join(folder, `${name}${count}.mjs`);
        writeFileSync(file, lane(name, name === "a" ? "b" : "a"));
        return file;
      }),
    );
    const isDeno = "Deno" in globalThis;
    const results = await runTestFiles(
      files,
      [{ name: "here", command: process.execPath, args: isDeno ? ["run", "-A", "--no-lock"] : [] }],
      {
        concurrency: 3,
        laneOf: (file) => file.slice(folder.length + 1)[0] ?? null,
        fileTimeoutMs: 20_000,
        endGraceMs: 20_000,
        env: {},
        signal: new AbortController().signal,
        onResult: () => {},
      },
    );
    assert.equal(
      results.map(({ failed, output }) => (failed === 0 ? "passed" : output)),
      ["passed", "passed", "passed", "passed"],
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("Each file runs in a process of its own, and one that hangs is killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kennel-runner-"));
  try {
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const files = [
      write("fine.mjs", `globalThis.seen = (globalThis.seen ?? 0) + 1; console.log(${JSON.stringify(totals(1, 1))} + globalThis.seen);`),
      write(
        "also_fine.mjs",
        `globalThis.seen = (globalThis.seen ?? 0) + 1; console.log(${JSON.stringify(totals(1, 1))} + globalThis.seen);`,
      ),
      write("crashes.mjs", 'throw new Error("broken");'),
      write("hangs.mjs", `console.log(${JSON.stringify(totals(1, 1))}); setInterval(() => {}, 1_000);`),
    ];
    const isDeno = "Deno" in globalThis;
    const done: string[] = [];
    const results = await runTestFiles(
      files,
      [{ name: "here", command: process.execPath, args: isDeno ? ["run", "-A", "--no-lock"] : [] }],
      {
        concurrency: 2,
        fileTimeoutMs: 3_000,
        endGraceMs: 3_000,
        env: {},
        signal: new AbortController().signal,
        onResult: (result, count, total) => done.push(`${result.failed}/${count}/${total}`),
      },
    );
    const byName = (name: string) => results.find((result) => result.file.endsWith(name)) as FileResult;
    assert.is(byName("/fine.mjs").failed, 0);
    assert.match(byName("also_fine.mjs").output, /\n1\n$/);
    assert.match(byName("crashes.mjs").output, "broken");
    assert.is(byName("crashes.mjs").failed, 1);
    assert.match(byName("hangs.mjs").problem ?? "", "did not end within");
    assert.is(done.length, 4);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("A file that has printed its totals and holds on to something is not given all of its time", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kennel-runner-"));
  try {
    const file = join(folder, "holds.mjs");
    writeFileSync(file, `console.log(${JSON.stringify(totals(2, 1))}); setInterval(() => {}, 1_000);`);
    const fileTimeoutMs = 60_000;
    const [result] = await runTestFiles(
      [file],
      [{ name: "here", command: process.execPath, args: "Deno" in globalThis ? ["run", "-A", "--no-lock"] : [] }],
      { concurrency: 1, fileTimeoutMs, endGraceMs: 100, env: {}, signal: new AbortController().signal, onResult: () => {} },
    );
    assert.equal([result?.passed, result?.failed], [1, 1]);
    assert.match(result?.problem ?? "", "did not end within");
    assert.ok((result?.durationMs ?? fileTimeoutMs) < fileTimeoutMs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
