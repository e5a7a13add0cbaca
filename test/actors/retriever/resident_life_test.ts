import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { textRow } from "./faulty_store.ts";
import { ROWS } from "./registry/registry_rig.ts";
import { RESIDENT_LIMITS, type ResidentRig, type ResidentRigOptions, withFolder, withResident } from "./resident_rig.ts";
import { hitsOf, idsOf } from "./search_requests.ts";

const test = suite("resident life");

const alone = (options: Omit<ResidentRigOptions, "folder">, body: (rig: ResidentRig) => Promise<void>) =>
  withFolder((folder) => withResident({ ...options, folder }, body));

async function untilFiles(folder: string, count: number): Promise<readonly string[]> {
  for (let looks = 0; looks < 2_000; looks++) {
    const files = (await readdir(folder)).filter((name) => name.endsWith(".snapshot"));
    if (files.length === count) return files;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`there are not ${count} snapshots`);
}

test("The store answers while the index in memory is built, then memory does, with the same hits and without the store", () =>
  alone({}, async ({ search, store, whenAnsweredFrom, details }) => {
    const before = await search();
    await whenAnsweredFrom("resident");
    const calls = store.calls.length;
    const after = await search({ useCache: false });
    assert.equal([before.rest.freshness.index, after.rest.freshness.index], ["store", "resident"]);
    assert.equal(idsOf(after), idsOf(before));
    assert.equal(hitsOf(after)[0]?.text, hitsOf(before)[0]?.text);
    assert.is(store.calls.length, calls);
    assert.ok((details().index_bytes as number) > 0);
    assert.is(details().index_reason, null);
  }));

test("Every strategy, filters, grouping and parts of hits work from memory as they do from the store", () =>
  alone({}, async ({ search, store, whenAnsweredFrom, put }) => {
    store.rows = [
      textRow("a", "cat cat", { attributes: { lang: "en" }, parentId: "a/0" }),
      textRow("a", "cat dog", { id: "a#1", ordinal: 1, attributes: { lang: "en" }, parentId: "a/0" }),
      textRow("b", "cat bird", { attributes: { lang: "de" } }),
      textRow("c", "zebra", { attributes: { lang: "en" } }),
    ];
    put("stored", {}, { resident: "never" });
    await search();
    await whenAnsweredFrom("resident");
    const requests = [
      { strategy: "vector" },
      { strategy: "bm25" },
      { strategy: "hybrid" },
      { strategy: "parent_document" },
      { strategy: "hybrid", groupBy: "document" },
      { strategy: "hybrid", filter: { type: "eq", key: "lang", value: "de" } },
      { strategy: "hybrid", query: "zebra" },
      { strategy: "vector", query: "zebra" },
      { strategy: "vector", query: null, vector: Float32Array.of(0, 0, 1, 0) },
      { strategy: "hybrid", include: ["attributes"], topK: 1 },
    ] as const;
    for (const request of requests) {
      const [resident, stored] = [await search({ ...request, useCache: false }), await search({ ...request, collection: "stored" })];
      assert.is(resident.rest.freshness.index, "resident");
      assert.equal(resident.rest.degradations, []);
      const shape = (answer: typeof resident) =>
        hitsOf(answer).map(({ id, parent_id, text, attributes }) => ({ id, parent_id, text, attributes }));
      // The two BM25s differ in scale here, so only what is found is compared where the order hangs on it.
      const byId = (answer: typeof resident) => [...shape(answer)].sort((x, y) => (x.id < y.id ? -1 : 1));
      if (request.strategy === "vector") assert.equal(shape(resident), shape(stored), JSON.stringify(request));
      else if (!("topK" in request)) assert.equal(byId(resident), byId(stored), JSON.stringify(request));
      assert.equal(Object.keys(hitsOf(resident)[0] ?? {}), Object.keys(hitsOf(stored)[0] ?? {}));
    }
  }));

test("What the store has acknowledged is found by the next query, and what was deleted is not", () =>
  alone({}, async ({ search, write, whenAnsweredFrom, store }) => {
    await search();
    await whenAnsweredFrom("resident");
    await write("docs", [...ROWS, textRow("new", "cat cat cat fish")]);
    const added = await search({ query: "fish", strategy: "bm25" });
    assert.equal([added.rest.index_version, added.rest.freshness.index, idsOf(added)], [2, "resident", ["new#0"]]);
    await write("docs", [...ROWS, textRow("new", "bird")]);
    assert.equal(idsOf(await search({ query: "fish", strategy: "bm25" })), []);
    await write("docs", ROWS);
    assert.not(idsOf(await search({ query: "bird", strategy: "bm25" })).includes("new#0"));
    assert.is(store.count("scan"), 1, "no build but the first");
  }));

test("What is written while the index is being built is in it when it answers", () =>
  alone({}, async ({ search, write, store, whenAnsweredFrom }) => {
    let open = (): void => {};
    store.set("scan", {
      kind: "wait",
      until: new Promise<void>((resolve) => {
        open = resolve;
      }),
    });
    await search();
    await write("docs", [...ROWS.slice(1), textRow("new", "fish")]);
    open();
    await whenAnsweredFrom("resident");
    assert.equal(idsOf(await search({ query: "fish", strategy: "bm25" })), ["new#0"]);
    const cats = await search({ query: "cat", strategy: "bm25" });
    assert.equal([idsOf(cats), cats.rest.index_version], [["b#0"], 2]);
  }));

test("A store that is away leaves a resident collection in full mode", () =>
  alone({}, async ({ search, store, fail, whenAnsweredFrom }) => {
    await search({ query: "bird" });
    await whenAnsweredFrom("resident");
    for (const call of ["searchVector", "searchText", "fetchChunks", "scan"] as const)
      store.set(call, { kind: "fail", code: "unavailable" });
    fail("vector_store", "lexical_index");
    for (const strategy of ["vector", "bm25", "hybrid"] as const) {
      const answer = await search({ strategy });
      assert.equal([answer.rest.mode, answer.rest.degradations, answer.rest.freshness], ["full", [], { index: "resident", age_ms: 0 }]);
      assert.ok(idsOf(answer).length > 0);
    }
  }));

test("A snapshot is saved when it has been quiet, and the next start answers from it without the store", () =>
  withFolder(async (folder) => {
    await withResident({ folder }, async ({ search, write, clock, whenAnsweredFrom }) => {
      await search();
      await whenAnsweredFrom("resident");
      await write("docs", [...ROWS, textRow("new", "fish")]);
      await clock.advance(RESIDENT_LIMITS.saveAfterMs);
      await untilFiles(folder, 1);
    });
    await withResident({ folder }, async ({ search, put, store, whenAnsweredFrom }) => {
      put("docs", { indexVersion: 2 }, { resident: "auto" });
      for (const call of ["searchVector", "searchText", "fetchChunks", "scan"] as const)
        store.set(call, { kind: "fail", code: "unavailable" });
      const answer = await search({ query: "fish", strategy: "bm25" });
      assert.equal([answer.rest.freshness.index, idsOf(answer)], ["resident", ["new#0"]]);
      await whenAnsweredFrom("resident");
      assert.is(store.calls.length, 0);
    });
  }));

test("A retriever that is stopped saves what it holds", () =>
  withFolder(async (folder) => {
    await withResident({ folder }, async ({ search, whenAnsweredFrom }) => {
      await search();
      await whenAnsweredFrom("resident");
    });
    assert.is((await untilFiles(folder, 1)).length, 1);
  }));

for (const [what, spoil] of [
  ["truncated", (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1)],
  ["changed in one bit", (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, at) => (at === bytes.length - 9 ? byte ^ 1 : byte))],
] as const) {
  test(`A snapshot that is ${what} is not used: the index is built from the store`, () =>
    withFolder(async (folder) => {
      await withResident({ folder }, async ({ search, whenAnsweredFrom }) => {
        await search();
        await whenAnsweredFrom("resident");
      });
      const [file] = await untilFiles(folder, 1);
      const path = join(folder, file ?? "");
      await writeFile(path, spoil(await readFile(path)));
      await withResident({ folder }, async ({ search, store, whenAnsweredFrom }) => {
        assert.equal(idsOf(await search()).length, 3);
        await whenAnsweredFrom("resident");
        assert.is(store.count("scan"), 1);
      });
    }));
}

test("A snapshot of another index version, or of a collection of the same name made anew, is not used", () =>
  withFolder(async (folder) => {
    await withResident({ folder }, async ({ search, whenAnsweredFrom }) => {
      await search();
      await whenAnsweredFrom("resident");
    });
    for (const record of [{ indexVersion: 9 }, { createdAtMs: 99 }]) {
      await withResident({ folder }, async ({ search, put, store, whenAnsweredFrom }) => {
        put("docs", record, { resident: "auto" });
        store.rows = [textRow("other", "cat")];
        await search();
        await whenAnsweredFrom("resident");
        assert.equal(idsOf(await search({ useCache: false })), ["other#0"]);
      });
    }
  }));

test("A snapshot is not used after a write that has no index version yet", () =>
  withFolder(async (folder) => {
    await withResident({ folder }, async ({ search, whenAnsweredFrom }) => {
      await search();
      await whenAnsweredFrom("resident");
    });
    await withResident({ folder }, async ({ registry, search, store, collections, whenAnsweredFrom }) => {
      // The store has the write, the catalog not yet: between the two the collection is asked for the first time.
      const row = textRow("new", "fish");
      store.rows = [...ROWS, row];
      await registry.written({ collection: "docs", version: 1 }, { documentIds: ["new"], rows: [row], parents: null });
      await registry.changed("docs", collections.get("docs") ?? null); // a word about something else changes nothing
      await search();
      await whenAnsweredFrom("resident");
      const record = collections.get("docs");
      assert.ok(record);
      collections.set("docs", { ...record, indexVersion: 2 });
      await registry.refresh("docs", 2);
      assert.equal(idsOf(await search({ query: "fish", strategy: "bm25" })), ["new#0"]);
    });
  }));

test("Writes beyond the bound are merged, and nothing is lost or doubled on the way", () =>
  alone({ limits: { mergeFromRows: 8 } }, async ({ search, write, whenAnsweredFrom, details, clock }) => {
    await search();
    await whenAnsweredFrom("resident");
    const rows = [...ROWS];
    for (let i = 0; i < 30; i++) {
      rows.push(textRow(`n${i}`, `fish ${i}`));
      await write("docs", [...rows]);
      if (i % 5 === 0) await clock.flush();
    }
    const found = await search({ query: "fish", strategy: "bm25", topK: 100 });
    assert.equal(
      [...idsOf(found)].sort(),
      rows
        .slice(3)
        .map(({ id }) => id)
        .sort(),
    );
    assert.is(details().index_version, 31);
  }));

test("Searches go on while a large write is applied, and the write is answered when all of it is found", () =>
  alone({}, async ({ registry, search, store, whenAnsweredFrom }) => {
    await search();
    await whenAnsweredFrom("resident");
    const rows = Array.from({ length: 200 }, (_, at) => textRow(`n${at}`, "fish"));
    store.rows = [...ROWS, ...rows];
    let isWritten = false;
    const written = registry
      .written({ collection: "docs", version: 1 }, { documentIds: rows.map(({ documentId }) => documentId), rows, parents: null })
      .then(() => {
        isWritten = true;
      });
    const found: number[] = [];
    while (!isWritten) {
      found.push(idsOf(await search({ query: "fish", strategy: "bm25", topK: 1_000, candidateK: 1_000, useCache: false })).length);
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    await written;
    assert.ok(
      found.some((count) => count > 0 && count < 200),
      `found on the way: ${found}`,
    );
    assert.is(idsOf(await search({ query: "fish", strategy: "bm25", topK: 1_000, candidateK: 1_000 })).length, 200);
  }));

test("min_version waits for a write that is on its way, and is answered from memory with what it brought", () =>
  alone({}, async ({ search, write, whenAnsweredFrom, clock }) => {
    await search();
    await whenAnsweredFrom("resident");
    const waiting = search({ query: "fish", strategy: "bm25", minVersion: 2 });
    await clock.flush();
    await write("docs", [...ROWS, textRow("new", "fish")]);
    const answer = await waiting;
    assert.equal([idsOf(answer), answer.rest.index_version, answer.rest.freshness], [["new#0"], 2, { index: "resident", age_ms: 0 }]);
    const tooNew = search({ minVersion: 3 }, { timeoutMs: 100 }).catch((error) => error.code);
    await clock.advance(100);
    assert.is(await tooNew, "deadline_exceeded");
  }));

test("While an index is being built, a query for the newest version is answered by the store, which has it", () =>
  alone({}, async ({ search, write, store }) => {
    store.set("scan", { kind: "hang" });
    await search();
    await write("docs", [...ROWS, textRow("new", "fish")]);
    const answer = await search({ query: "fish", strategy: "bm25", minVersion: 2 });
    assert.equal([idsOf(answer), answer.rest.freshness.index, answer.rest.index_version], [["new#0"], "store", 2]);
  }));

test("Memory that the runtime refuses to a write makes way for the store, which says why and has the write", () =>
  alone({ limits: { maxRows: 10_000, mergeFromRows: 10_000 } }, async ({ search, write, whenAnsweredFrom, details }) => {
    await search();
    await whenAnsweredFrom("resident");
    const grow = WebAssembly.Memory.prototype.grow;
    WebAssembly.Memory.prototype.grow = () => {
      throw new RangeError("WebAssembly.Memory.grow(): Unable to grow instance memory");
    };
    try {
      const rows = Array.from({ length: 4_000 }, (_, at) => textRow(`n${at}`, "fish"));
      await write("docs", [...ROWS, ...rows]);
    } finally {
      WebAssembly.Memory.prototype.grow = grow;
    }
    const answer = await search({ query: "fish", strategy: "bm25" });
    assert.equal([answer.rest.freshness.index, idsOf(answer).length], ["store", 10]);
    assert.match(String(details().index_reason), /bytes were refused/);
  }));

test("A built index that memory has no room for leaves the store answering, and the status says why, until it is opened anew", () =>
  alone({ limits: { maxBytes: 1 } }, async ({ search, store, clock, details }) => {
    await search();
    for (let looks = 0; looks < 2_000 && store.count("scan") === 0; looks++) await new Promise((resolve) => setTimeout(resolve, 2));
    for (let looks = 0; looks < 2_000 && !String(details().index_reason).includes("failed"); looks++)
      await new Promise((resolve) => setTimeout(resolve, 2));
    assert.match(String(details().index_reason), /memory pays up to 1 bytes/);
    await clock.advance(RESIDENT_LIMITS.retryAfterMs);
    assert.equal([(await search({ useCache: false })).rest.freshness.index, store.count("scan")], ["store", 1]);
  }));

test("Above the node's high-water mark the least recently used makes way, and nothing new becomes resident", () => {
  let above = (): number => 0;
  return alone(
    { bytesAboveHighWater: () => above() },
    async ({ registry, search, put, clock, details, metrics, retrievers, whenAnsweredFrom }) => {
      for (const name of ["second", "third"]) put(name, {}, { resident: "auto" });
      await search();
      await whenAnsweredFrom("resident");
      await clock.advance(10);
      await search({ collection: "second" });
      await whenAnsweredFrom("resident", "second");
      const one = registry.status().bytes - 1;
      above = () => Math.max(0, registry.status().bytes - one);
      await clock.advance(1_000);
      for (let looks = 0; looks < 2_000 && retrievers().some(({ path }) => path.endsWith("/docs.v1")); looks++)
        await new Promise((resolve) => setTimeout(resolve, 2));
      assert.is(metrics.counts.get("passivated bytes"), 1);
      assert.is(details("second").index, "resident");
      above = () => 1;
      await search({ collection: "third" });
      assert.match(String(details("third").index_reason), /above its high-water mark/);
      above = () => 0;
    },
  );
});

test("A large index is scanned by a thread, with the same hits", () =>
  alone({ scanFromRows: 1, registry: {} }, async ({ search, whenAnsweredFrom, scans }) => {
    const stored = await search({ strategy: "vector" });
    await whenAnsweredFrom("resident");
    const scanned = await search({ strategy: "vector", useCache: false });
    assert.equal([idsOf(scanned), scanned.rest.freshness.index, scans.counts], [idsOf(stored), "resident", { done: 1, refused: 0 }]);
  }));

test("A collection that is too large, or set to never, is answered by the store, and the status says why", () =>
  alone({ limits: { maxRows: 2 } }, async ({ search, put, details }) => {
    await search();
    assert.match(String(details().index_reason), /has 3 chunks, memory pays up to 2/);
    put("stored", {}, { resident: "never" });
    await search({ collection: "stored" });
    assert.match(String(details("stored").index_reason), /set to resident "never"/);
  }));

test("An index that grows beyond what memory pays for makes way for the store, and loses nothing", () =>
  alone({ limits: { maxRows: 4 } }, async ({ search, write, whenAnsweredFrom, details }) => {
    await search();
    await whenAnsweredFrom("resident");
    await write("docs", [...ROWS, textRow("x", "fish")]);
    assert.is(details().index, "resident");
    await write("docs", [...ROWS, textRow("x", "fish"), textRow("y", "fish")]);
    const answer = await search({ query: "fish", strategy: "bm25" });
    assert.equal([answer.rest.freshness.index, answer.rest.index_version, [...idsOf(answer)].sort()], ["store", 3, ["x#0", "y#0"]]);
    assert.match(String(details().index_reason), /memory pays up to/);
  }));

test("A build that fails leaves the store answering, and is tried again", () =>
  alone({}, async ({ search, store, clock, details, whenAnsweredFrom }) => {
    store.set("scan", { kind: "fail", code: "unavailable" });
    await search();
    await clock.flush();
    assert.match(String(details().index_reason), /failed/);
    assert.equal(idsOf(await search({ query: "dog" })).length, 3);
    store.set("scan", null);
    await clock.advance(RESIDENT_LIMITS.retryAfterMs);
    await whenAnsweredFrom("resident");
  }));

test("More writes than a build can wait for give it up, and it is tried again when they are over", () =>
  alone({ limits: { maxBacklogRows: 3 } }, async ({ search, store, write, clock, details, whenAnsweredFrom }) => {
    store.set("scan", { kind: "hang" });
    await search();
    await write("docs", [...ROWS, textRow("x", "fish"), textRow("y", "fish")]);
    assert.match(String(details().index_reason), /more was written/);
    store.set("scan", null);
    await clock.advance(RESIDENT_LIMITS.retryAfterMs);
    await whenAnsweredFrom("resident");
    assert.equal([...idsOf(await search({ query: "fish", strategy: "bm25" }))].sort(), ["x#0", "y#0"]);
  }));

test("A resident collection that makes room for another comes back from its snapshot", () =>
  alone({ registry: { maxActive: 1 } }, async ({ search, put, store, clock, folder, whenAnsweredFrom }) => {
    put("second", {}, { resident: "auto" });
    await search();
    await whenAnsweredFrom("resident");
    await search({ collection: "second" });
    await whenAnsweredFrom("resident", "second");
    await untilFiles(folder, 1);
    await clock.flush();
    const scans = store.count("scan");
    const back = await search({ query: "dog" });
    assert.is(back.rest.freshness.index, "resident");
    assert.is(store.count("scan"), scans);
  }));

test("A dropped collection leaves no snapshot behind", () =>
  alone({}, async ({ registry, search, collections, clock, folder, whenAnsweredFrom }) => {
    await search();
    await whenAnsweredFrom("resident");
    await clock.advance(RESIDENT_LIMITS.saveAfterMs);
    await untilFiles(folder, 1);
    collections.delete("docs");
    await registry.changed("docs", null);
    assert.equal(await readdir(folder), []);
  }));

test.run();
