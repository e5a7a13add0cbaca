import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PopularQueries, type PopularQueryOptions, type PopularQueryStore } from "../../../../actors/retriever/registry/popular_queries.ts";
import { PopularQueryFile } from "../../../../actors/retriever/registry/popular_query_file.ts";
import type { SearchRequest } from "../../../../actors/retriever/search.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { seededRandom } from "../../../../runtime/random.ts";
import { OPEN_SCOPE, type Scope } from "../../../../transport/transport.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { searchRequest } from "../search_requests.ts";
import { PopularMemory } from "./registry_rig.ts";

const test = suite("popular queries");
const OTHERS: Scope = { tenant: "others", principals: ["ada"] };

function startCounting(over: Partial<PopularQueryOptions> = {}, store: PopularQueryStore = new PopularMemory()) {
  const clock = manualClock();
  const failures: string[] = [];
  const options = { maxQueries: 2, maxCollections: 2, saveIntervalMs: 1_000, ...over };
  const popular = new PopularQueries(clock, store, options, ({ code }) => failures.push(code));
  const ask = (request: Partial<SearchRequest>, times = 1, scope = OPEN_SCOPE, collection = "docs") => {
    for (let at = 0; at < times; at++) popular.note(collection, searchRequest(request), scope);
  };
  const top = (collection = "docs") => popular.top(collection).map(({ request, count }) => `${request.query} ${count}`);
  return { clock, popular, failures, ask, top };
}

test("The questions asked most come first, each in the scope that asked it", () => {
  const { popular, ask, top } = startCounting({ maxQueries: 3 });
  ask({ query: "cat" }, 3);
  ask({ query: "dog" }, 5);
  ask({ query: "cat" }, 4, OTHERS);
  ask({ query: "bird" });
  ask({ query: "dog", topK: 3 });
  assert.equal(top(), ["dog 5", "cat 4", "cat 3"]);
  assert.equal(
    popular.top("docs").map(({ scope }) => scope),
    [OPEN_SCOPE, OTHERS, OPEN_SCOPE],
  );
});

test("The same object asked again is counted as quickly, and anew for another scope or collection", () => {
  const { popular, top } = startCounting();
  const request = searchRequest({ query: "cat" });
  for (let at = 0; at < 3; at++) popular.note("docs", request, OPEN_SCOPE);
  popular.note("docs", request, OTHERS);
  popular.note("more", request, OPEN_SCOPE);
  assert.equal([top(), top("more")], [["cat 3", "cat 1"], ["cat 1"]]);
});

test("What is frequent is found among any number of rare questions, with a bounded number of counters", () => {
  const { popular, ask, top } = startCounting({ maxQueries: 2 });
  const random = seededRandom(11);
  for (let at = 0; at < 5_000; at++) {
    const dice = random.next();
    ask({ query: dice < 0.2 ? "often" : dice < 0.35 ? "at times" : `rare ${at}` });
  }
  assert.is(popular.size, 8);
  assert.equal(
    top().map((line) => line.replace(/ \d+$/, "")),
    ["often", "at times"],
  );
  const count = popular.top("docs")[0]?.count ?? 0;
  assert.ok(count >= 950 && count <= 1_000 + 5_000 / 8, `${count} is too far off`);
});

test("What cannot be asked again, or would help nobody, is not counted", () => {
  const { popular, ask } = startCounting();
  ask({ query: null, vector: Float32Array.of(1) });
  ask({ vector: Float32Array.of(1) });
  ask({ useCache: false });
  ask({ explain: true });
  ask({ query: "long ".repeat(1_000) });
  assert.is(popular.size, 0);
});

test("Collections are bounded, and what is dropped is forgotten", () => {
  const { popular, ask, top } = startCounting();
  for (const name of ["one", "two", "three"]) ask({ query: name }, 1, OPEN_SCOPE, name);
  assert.equal([top("one"), top("two"), top("three")], [[], ["two 1"], ["three 1"]]);
  popular.forget("two");
  ask({ query: "four" }, 1, OPEN_SCOPE, "four");
  assert.equal([top("two"), top("three"), top("four")], [[], ["three 1"], ["four 1"]]);
});

test("Counts are saved now and then, and an earlier process' are worth half", async () => {
  const store = new PopularMemory();
  const first = startCounting({}, store);
  await first.popular.load();
  first.ask({ query: "cat" }, 5);
  assert.is(store.kept.size, 0);
  await first.clock.advance(1_000);
  assert.equal(
    store.kept.get("docs")?.map(({ count }) => count),
    [5],
  );
  const second = startCounting({}, store);
  second.ask({ query: "dog" }, 4);
  await second.popular.save();
  assert.is(store.kept.get("docs")?.length, 1, "before it is loaded nothing is written over");
  await second.popular.load();
  assert.equal(second.top(), ["dog 4", "cat 3"]);
});

test("Where nothing is to be kept, what was kept is removed", async () => {
  const store = new PopularMemory();
  const { popular, ask } = startCounting({}, store);
  await popular.load();
  ask({ query: "cat" });
  await popular.save();
  assert.is(store.kept.size, 1);
  const off = startCounting({ maxQueries: 0 }, store);
  await off.popular.load();
  off.ask({ query: "cat" });
  await off.popular.save();
  assert.equal([store.kept.size, off.popular.size], [0, 0]);
});

test("A place that cannot be read or written is told of, and the counting goes on", async () => {
  const broken: PopularQueryStore = {
    read: () => Promise.reject(kennelError("unavailable")),
    write: () => Promise.reject(kennelError("storage_full")),
    clear: () => Promise.reject(kennelError("unavailable")),
  };
  const { popular, ask, top, failures } = startCounting({}, broken);
  await popular.load();
  ask({ query: "cat" });
  await popular.save();
  assert.equal(failures, ["unavailable", "storage_full"]);
  assert.equal(top(), ["cat 1"]);
});

async function inFolder(body: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-popular-"));
  try {
    await body(join(folder, "popular.json"), folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("A file gives back every part of what was written, to its owner alone", () =>
  inFolder(async (path, folder) => {
    const file = new PopularQueryFile(path);
    assert.is((await file.read()).size, 0);
    const request = searchRequest({
      query: 'what "is" a cat?\n',
      filter: {
        type: "and",
        filters: [
          { type: "in", key: "lang", value: ["en", "de"] },
          { type: "gte", key: "year", value: 2_000 },
        ],
      },
      fusion: { type: "rrf", k: 60, weights: { vector: 1, bm25: 2 } },
      groupBy: "document",
      scoreThreshold: 0.5,
      include: ["text"],
    });
    const queries = new Map([["docs", [{ scope: OTHERS, request, count: 7 }]]]);
    await file.write(queries);
    assert.equal(await file.read(), queries);
    assert.is((await stat(path)).mode & 0o077, 0);
    assert.equal(await readdir(folder), ["popular.json"]);
    await file.clear();
    assert.is((await file.read()).size, 0);
  }));

test("A file that is damaged, or of another version, is as good as none", () =>
  inFolder(async (path) => {
    const file = new PopularQueryFile(path);
    for (const text of ["", "{", '{"version":2,"collections":{}}', '{"version":1,"collections":{"docs":[{"count":-1}]}}', "[1]"]) {
      await writeFile(path, text);
      assert.is((await file.read()).size, 0, text);
    }
  }));

test.run();
