import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ResidentIndex } from "../../../../../actors/retriever/index/resident/resident_index.ts";
import { ScanThreads } from "../../../../../actors/retriever/index/resident/scan_threads.ts";
import type { Filter } from "../../../../../actors/vector_store/filter.ts";
import type { SearchOptions } from "../../../../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../../../../runtime/clock.ts";
import { KennelError } from "../../../../../runtime/errors.ts";
import { seededRandom } from "../../../../../runtime/random.ts";
import { ALL, idsOf, indexOf, mergeNow, rowOf } from "./index_rig.ts";

const test = suite("scan threads");
const never = new AbortController().signal;
const DIMENSIONS = 16;
const ROWS = 3_000;
const random = seededRandom(7);
const vectorOf = () => Float32Array.from({ length: DIMENSIONS }, () => random.next() - 0.5);
const chunks = Array.from({ length: ROWS }, (_, at) =>
  rowOf({ id: `d${String(at).padStart(5, "0")}#0`, text: "cat", vector: [...vectorOf()], attributes: { part: at % 10 } }),
);

async function withThreads(
  body: (scans: ScanThreads, index: ResidentIndex) => Promise<void>,
  options: { readonly maxWaiting?: number; readonly bitsFromRows?: number } = {},
): Promise<void> {
  const { maxWaiting = 100, bitsFromRows = 20_000 } = options;
  const scans = new ScanThreads({ threads: 2, fromRows: 1_000, maxWaiting, timeoutMs: 60_000, clock: systemClock() });
  try {
    await body(scans, indexOf(chunks, { dimensions: DIMENSIONS, bitsFromRows }));
  } finally {
    await scans.close();
  }
}

const below = (value: number): SearchOptions => {
  const filter: Filter = { type: "lt", key: "part", value };
  return { ...ALL, filter };
};

for (const bitsFromRows of [20_000, 1_000]) {
  test(`A thread finds what the owner finds, many at once, with and without a filter; bits from ${bitsFromRows} rows`, () =>
    withThreads(
      async (scans, index) => {
        const queries = Array.from({ length: 40 }, vectorOf);
        for (const options of [ALL, { ...ALL, limit: 1_000 }, below(8), below(100)]) {
          const scanned = await Promise.all(queries.map((query) => scans.scan(index, query, options, never)));
          for (const [at, query] of queries.entries()) {
            const found = scanned[at] ?? null;
            assert.ok(found !== null);
            assert.equal(index.searchVector(query, options, found), index.searchVector(query, options));
          }
        }
        assert.equal(scans.counts, { done: 160, refused: 0 });
      },
      { bitsFromRows },
    ));
}

test("Two filters that scan side by side do not see each other's rows", () =>
  withThreads(async (scans, index) => {
    const query = vectorOf();
    const filters = Array.from({ length: 20 }, (_, at) => below(3 + (at % 5)));
    const scanned = await Promise.all(filters.map((options) => scans.scan(index, query, options, never)));
    for (const [at, options] of filters.entries()) {
      assert.equal(index.searchVector(query, options, scanned[at] ?? null), index.searchVector(query, options));
    }
  }));

test("Little to read, or nothing allowed, is left to the owner", () =>
  withThreads(async (scans, index) => {
    for (const options of [below(1), below(0), { ...ALL, limit: 0 }, { ...ALL, limit: 2_000 }]) {
      assert.is(await scans.scan(index, vectorOf(), options, never), null);
    }
    assert.is(scans.isFor({ liveRows: 1_000 }), false);
    assert.is(scans.isFor({ liveRows: 1_001 }), true);
  }));

test("What is written, deleted or merged while a thread scans is in the answer all the same", () =>
  withThreads(async (scans, index) => {
    const query = Float32Array.from({ length: DIMENSIONS }, (_, at) => (at === 0 ? 1 : 0));
    const before = idsOf(index, index.searchVector(query, ALL));
    const scanning = scans.scan(index, query, ALL, never);
    const [best = ""] = before;
    index.replaceDocuments([best.slice(0, -2)], [], 2);
    index.replaceDocuments(["new"], [rowOf({ id: "new#0", text: "cat", vector: [...query] })], 3);
    const scanned = await scanning;
    const found = idsOf(index, index.searchVector(query, ALL, scanned));
    assert.equal([found[0], found.includes(best), found.length], ["new#0", false, 100]);
    const late = await scans.scan(index, query, ALL, never);
    mergeNow(index);
    assert.equal(index.searchVector(query, ALL, late), index.searchVector(query, ALL));
  }));

test("More scans than may wait, and scans after the end, are left to the owner and counted", async () => {
  await withThreads(
    async (scans, index) => {
      const query = vectorOf();
      const scanned = await Promise.all(Array.from({ length: 10 }, () => scans.scan(index, query, ALL, never)));
      assert.is(scanned.filter((found) => found === null).length, 7); // two in threads, one waits
      assert.equal(scans.counts, { done: 3, refused: 7 });
      await scans.close();
      assert.is(await scans.scan(index, query, ALL, never), null);
      assert.is(scans.counts.refused, 8);
    },
    { maxWaiting: 1 },
  );
});

test("A caller that gives up is told at once; the thread ends its scan and takes the next", () =>
  withThreads(async (scans, index) => {
    const gone = new AbortController();
    const scanning = scans.scan(index, vectorOf(), ALL, gone.signal);
    gone.abort(new KennelError("deadline_exceeded"));
    await scanning.then(
      () => assert.unreachable(),
      (thrown) => assert.is((thrown as KennelError).code, "deadline_exceeded"),
    );
    const query = vectorOf();
    const found = await scans.scan(index, query, ALL, never);
    assert.equal(index.searchVector(query, ALL, found), index.searchVector(query, ALL));
  }));

test("A query of other dimensions, or one that is not finite, is refused before it reaches a thread", () =>
  withThreads(async (scans, index) => {
    for (const vector of [Float32Array.of(1, 2), vectorOf().fill(Number.NaN)]) {
      await scans.scan(index, vector, ALL, never).then(
        () => assert.unreachable(),
        (thrown) => assert.is((thrown as KennelError).code, "invalid_request"),
      );
    }
    assert.equal(
      index.searchVector(new Float32Array(DIMENSIONS), ALL, await scans.scan(index, new Float32Array(DIMENSIONS), ALL, never)).rows.length,
      0,
    );
  }));

test.run();
