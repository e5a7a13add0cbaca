import { suite } from "uvu";
import * as assert from "uvu/assert";
import { textRow } from "./faulty_store.ts";
import { RESIDENT_LIMITS, type ResidentRig, withFolder, withResident } from "./resident_rig.ts";
import { hitsOf } from "./search_requests.ts";

const test = suite("parents of a resident collection");

const FAMILY = [
  textRow("a", "cat cat", { parentId: "a#p0" }),
  textRow("a", "cat dog", { id: "a#1", ordinal: 1, parentId: "a#p0" }),
  textRow("b", "cat bird", { parentId: "b#p0" }),
];
const PARENTS = { "a#p0": "cat cat and cat dog", "b#p0": "cat bird" };

const family = async (rig: ResidentRig): Promise<void> => {
  rig.store.rows = FAMILY;
  Object.assign(rig.parentStore.texts, PARENTS);
  await rig.search();
  await rig.whenAnsweredFrom("resident");
};

/** Every store is away, and says so. */
const goAway = ({ store, parentStore, fail }: ResidentRig): void => {
  for (const call of ["searchVector", "searchText", "fetchChunks", "scan"] as const) store.set(call, { kind: "fail", code: "unavailable" });
  parentStore.fault = "fail";
  fail("vector_store", "lexical_index", "document_store");
};

const shown = async ({ search }: ResidentRig) => {
  const answer = await search({ strategy: "parent_document", useCache: false });
  assert.equal([answer.rest.mode, answer.rest.degradations, answer.rest.freshness.index], ["full", [], "resident"]);
  return Object.fromEntries(hitsOf(answer).map(({ parent_id, text }) => [parent_id, text]));
};

test("A parent_document query of a resident collection asks no store, and is full while all of them are away", () =>
  withFolder((folder) =>
    withResident({ folder }, async (rig) => {
      await family(rig);
      const calls = [rig.store.calls.length, rig.parentStore.calls];
      assert.equal(await shown(rig), PARENTS);
      assert.equal([rig.store.calls.length, rig.parentStore.calls], calls);
      goAway(rig);
      assert.equal(await shown(rig), PARENTS);
    }),
  ));

test("What is written brings its parents along, or has them read from the document store, and a snapshot holds them", () =>
  withFolder(async (folder) => {
    const row = textRow("c", "cat fish", { parentId: "c#p0" });
    const other = textRow("d", "cat", { parentId: "d#p0" });
    const all = { ...PARENTS, "c#p0": "cat fish, and more", "d#p0": "cat, and more" };
    await withResident({ folder }, async (rig) => {
      await family(rig);
      const calls = rig.parentStore.calls;
      await rig.write("docs", [...FAMILY, row], new Map([["c#p0", "cat fish, and more"]]));
      assert.is(rig.parentStore.calls, calls);
      rig.parentStore.texts["d#p0"] = "cat, and more";
      await rig.write("docs", [...FAMILY, row, other]);
      assert.is(rig.parentStore.calls, calls + 1);
      goAway(rig);
      assert.equal(await shown(rig), all);
      await rig.clock.advance(RESIDENT_LIMITS.saveAfterMs); // merges, too
    });
    await withResident({ folder }, async (rig) => {
      rig.put("docs", { indexVersion: 3 }, { resident: "auto" });
      await rig.search();
      await rig.whenAnsweredFrom("resident");
      goAway(rig);
      assert.equal(await shown(rig), all);
      assert.is(rig.parentStore.calls, 0);
    });
  }));

test("A write whose parents cannot be read in time is found at once; its parents are asked for by the searches that show them", () =>
  withFolder((folder) =>
    withResident({ folder }, async (rig) => {
      await family(rig);
      rig.parentStore.fault = "hang";
      const written = rig.write("docs", [...FAMILY, textRow("c", "cat fish", { parentId: "c#p0" })]);
      await rig.clock.advance(RESIDENT_LIMITS.parentsLimitMs);
      await written;
      rig.parentStore.fault = "fail";
      const answer = await rig.search({ strategy: "parent_document", query: "fish" });
      assert.equal(
        answer.rest.degradations.map(({ stage, reason }) => [stage, reason]),
        [["parents", "unavailable"]],
      );
      rig.parentStore.fault = null;
      rig.parentStore.texts["c#p0"] = "all of c";
      assert.equal((await shown(rig))["c#p0"], "all of c");
    }),
  ));

test.run();
