import { readdir } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Slots } from "../../../runtime/slots.ts";
import { textRow } from "./faulty_store.ts";
import { ROWS } from "./registry/registry_rig.ts";
import { RESIDENT_LIMITS, type ResidentRig, withFolder, withResident } from "./resident_rig.ts";
import { idsOf } from "./search_requests.ts";

const test = suite("leaving memory and coming back");

const snapshots = async (folder: string) => (await readdir(folder)).filter((name) => name.endsWith(".snapshot")).length;

/** Threads and files have no clock that a test could move, so what they lead to is looked for, within a bound. */
async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await isSo()); looks++) {
    if (looks > 2_000) throw new Error(`it does not come to pass: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const isGone = ({ retrievers }: ResidentRig) => !retrievers().some(({ path }) => path.endsWith("/docs.v1"));

/** A resident collection with a write that no snapshot holds, in a node that saves only when it is let. */
async function unsaved(rig: ResidentRig): Promise<() => void> {
  await rig.search();
  await rig.whenAnsweredFrom("resident");
  await rig.write("docs", [...ROWS, textRow("new", "fish")]);
  const held = Promise.withResolvers<void>();
  rig.workshop.saving = held.promise;
  return held.resolve;
}

test("A search that meets a collection on its way out of memory is answered from memory at once, and calls it off", () => {
  let above = 0;
  return withFolder((folder) =>
    withResident({ folder, bytesAboveHighWater: () => above }, async (rig) => {
      const save = await unsaved(rig);
      above = 1_000_000_000;
      await rig.clock.advance(1_000);
      const answer = await rig.search({ query: "fish", strategy: "bm25" });
      assert.equal([answer.rest.freshness.index, idsOf(answer)], ["resident", ["new#0"]], "though its snapshot is not saved yet");
      above = 0;
      save();
      await until("a snapshot", async () => (await snapshots(folder)) === 1);
      await rig.clock.flush();
      assert.equal([rig.details().index, rig.metrics.counts.get("passivated bytes")], ["resident", undefined]);
    }),
  );
});

test("A collection that nobody asks for leaves when its snapshot is saved, and comes back from that", () => {
  let above = 0;
  return withFolder((folder) =>
    withResident({ folder, bytesAboveHighWater: () => above }, async (rig) => {
      const save = await unsaved(rig);
      above = 1_000_000_000;
      await rig.clock.advance(1_000);
      assert.is(rig.details().index, "resident", "it is held until it is saved");
      save();
      await until("it is gone", () => isGone(rig));
      above = 0;
      const scans = rig.store.count("scan");
      const back = await rig.search({ query: "fish", strategy: "bm25" });
      assert.equal([back.rest.freshness.index, idsOf(back), rig.store.count("scan")], ["resident", ["new#0"], scans]);
      assert.is(rig.metrics.counts.get("passivated bytes"), 1);
    }),
  );
});

test("What was written while a collection is saved on its way out is found by the next search, and is in no snapshot", () => {
  let above = 0;
  return withFolder((folder) =>
    withResident({ folder, bytesAboveHighWater: () => above }, async (rig) => {
      const save = await unsaved(rig);
      above = 1_000_000_000;
      await rig.clock.advance(1_000);
      await rig.write("docs", [...ROWS, textRow("new", "fish"), textRow("late", "fish fish")]);
      save();
      await until("it is gone", () => isGone(rig));
      above = 0;
      const scans = rig.store.count("scan");
      assert.equal([...idsOf(await rig.search({ query: "fish", strategy: "bm25" }))].sort(), ["late#0", "new#0"]);
      await rig.whenAnsweredFrom("resident");
      assert.equal([...idsOf(await rig.search({ query: "fish", strategy: "bm25", useCache: false }))].sort(), ["late#0", "new#0"]);
      assert.is(rig.store.count("scan"), scans + 1, "it was built from the store");
    }),
  );
});

test("When those that wait to be saved hold their share of memory, the next one leaves unsaved and at once", () =>
  withFolder((folder) =>
    withResident({ folder, registry: { passivation: { idleMs: 60_000, maxBytes: 150_000 } } }, async (rig) => {
      await unsaved(rig);
      rig.put("second", {}, { resident: "auto" });
      rig.put("third", {}, { resident: "auto" });
      for (const name of ["second", "third"]) {
        await rig.clock.advance(10);
        await rig.search({ collection: name });
        await rig.whenAnsweredFrom("resident", name);
      }
      await rig.clock.advance(10);
      await until("it is gone", () => isGone(rig));
      assert.is(await snapshots(folder), 0);
      assert.equal(idsOf(await rig.search({ query: "fish", strategy: "bm25" })), ["new#0"]);
    }),
  ));

test("While a snapshot is being loaded the store answers, after a little patience; beyond what may wait it says why and tries again", () => {
  let above = 0;
  return withFolder((folder) =>
    withResident({ folder, loads: new Slots(1, 0), bytesAboveHighWater: () => above }, async (rig) => {
      rig.put("second", {}, { resident: "auto" });
      for (const name of ["docs", "second"]) {
        await rig.search({ collection: name });
        await rig.whenAnsweredFrom("resident", name);
      }
      await rig.clock.advance(RESIDENT_LIMITS.saveAfterMs);
      await until("two snapshots", async () => (await snapshots(folder)) === 2);
      await rig.clock.flush();
      above = 1_000_000_000;
      await rig.clock.advance(1_000);
      await until("they are gone", () => rig.retrievers().length === 0);
      above = 0;

      const scans = rig.store.count("scan");
      const held = Promise.withResolvers<void>();
      rig.workshop.loading = held.promise;
      const first = rig.search({ useCache: false });
      await rig.clock.advance(RESIDENT_LIMITS.loadPatienceMs);
      assert.is((await first).rest.freshness.index, "store");
      assert.match(String(rig.details().index_reason), /being loaded/);
      const second = await rig.search({ collection: "second", useCache: false });
      assert.equal([second.rest.freshness.index, idsOf(second).length], ["store", 3]);
      await rig.clock.flush();
      assert.match(String(rig.details("second").index_reason), /too many indexes wait to be loaded/);
      held.resolve();
      await rig.whenAnsweredFrom("resident");
      await rig.search({ collection: "second", query: "dog" });
      assert.is(rig.details("second").index, "store", "not before its pause has passed");
      await rig.clock.advance(1_000);
      await rig.search({ collection: "second", query: "bird" });
      await rig.whenAnsweredFrom("resident", "second");
      assert.is(rig.store.count("scan"), scans, "both came from their snapshots");
    }),
  );
});

test("A collection whose snapshot is current leaves without another one", () => {
  let above = 0;
  return withFolder((folder) =>
    withResident({ folder, bytesAboveHighWater: () => above }, async (rig) => {
      await rig.search();
      await rig.whenAnsweredFrom("resident");
      await rig.clock.advance(RESIDENT_LIMITS.saveAfterMs);
      await until("a snapshot", async () => (await snapshots(folder)) === 1);
      await rig.clock.flush();
      rig.workshop.saving = new Promise(() => {}); // another one would never end
      above = 1_000_000_000;
      await rig.clock.advance(1_000);
      await until("it is gone", () => isGone(rig));
    }),
  );
});

test.run();
