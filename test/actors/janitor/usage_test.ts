import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UsageStatistics } from "../../../actors/janitor/usage.ts";
import { manualClock } from "../../support/manual_clock.ts";

const test = suite<{ folder: string; path: string }>("usage");
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 1);

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "kennel-usage-"));
  context.path = join(context.folder, "usage.json");
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const use = (collection: string, count: number, atMs = START_MS) => ({ collection, atMs, count });

test("Searches are counted by collection and day, kept over restarts, and added to", async ({ path }) => {
  const clock = manualClock();
  const first = new UsageStatistics(path, 10, clock);
  await first.load();
  first.add([use("docs", 3), use("pets", 1)]);
  first.add([use("docs", 2, START_MS + DAY_MS)]);
  assert.is(await first.save(), 2);
  assert.is(await first.save(), 0, "nothing has changed");

  const second = new UsageStatistics(path, 10, clock);
  second.add([use("docs", 1, START_MS + DAY_MS)]);
  assert.is(await second.save(), 0, "what is not loaded is not replaced");
  await second.load();
  await clock.advance(DAY_MS);
  assert.equal(second.top(1), [
    {
      collection: "docs",
      searches: 6,
      firstAtMs: START_MS,
      lastAtMs: START_MS + DAY_MS,
      days: [
        ["2026-01-01", 3],
        ["2026-01-02", 3],
      ],
    },
  ]);
  assert.is(await second.save(), 2);
});

test("What was searched lately comes first; a collection that is gone is forgotten", async ({ path }) => {
  const clock = manualClock();
  const usage = new UsageStatistics(path, 10, clock);
  usage.add([use("old", 100), use("new", 5, START_MS + 20 * DAY_MS), use("gone", 50, START_MS + 20 * DAY_MS)]);
  await clock.advance(20 * DAY_MS);
  usage.forget("gone");
  assert.equal(
    usage.top(10, 7).map(({ collection }) => collection),
    ["new", "old"],
  );
  assert.equal(
    usage.top(10).map(({ collection }) => collection),
    ["old", "new"],
  );
});

test("At most so many collections and days are kept", async ({ path }) => {
  const usage = new UsageStatistics(path, 2, manualClock());
  for (const name of ["a", "b", "a", "c"]) usage.add([use(name, 1)]);
  assert.equal(
    usage.top(10).map(({ collection }) => collection),
    ["a", "c"],
    "the one that was not used for longest has made room",
  );
  for (let day = 0; day < 40; day++) usage.add([use("c", 1, START_MS + day * DAY_MS)]);
  const [most] = usage.top(1);
  assert.equal([most?.searches, most?.days.length, most?.days[0]?.[0]], [41, 30, "2026-01-11"]);
});

test("A file that is damaged, or of another version, counts for an empty one and is replaced", async ({ path }) => {
  for (const text of ["{", "[]", '{"version":2,"collections":[]}', '{"version":1,"collections":[{"collection":"x"}]}']) {
    await writeFile(path, text);
    const usage = new UsageStatistics(path, 10, manualClock());
    await usage.load();
    assert.equal(usage.top(10), []);
    usage.add([use("docs", 1)]);
    await usage.save();
    assert.is(JSON.parse(await readFile(path, "utf8")).collections[0].collection, "docs");
  }
});

test.run();
