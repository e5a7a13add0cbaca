import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Uses } from "../../../../actors/retriever/registry/uses.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const test = suite("uses");

type Noted = readonly { readonly collection: string; readonly atMs: number; readonly count: number }[];

function startUses(noteUse: (uses: Noted, signal: AbortSignal) => Promise<void>, maxCollections = 10) {
  const clock = manualClock();
  const heard = { dropped: 0, failed: 0 };
  const uses = new Uses(
    clock,
    { noteUse },
    { maxCollections, flushIntervalMs: 1_000, flushLimitMs: 500 },
    {
      dropped: () => void heard.dropped++,
      failed: () => void heard.failed++,
    },
  );
  return { clock, uses, heard };
}

test("Uses are counted and written together", async () => {
  const written: Noted[] = [];
  const { clock, uses } = startUses(async (noted) => void written.push(noted));
  uses.note("docs");
  uses.note("docs");
  uses.note("notes");
  await clock.advance(999);
  assert.is(written.length, 0);
  await clock.advance(1);
  assert.equal(
    written[0]?.map(({ collection, count }) => [collection, count]),
    [
      ["docs", 2],
      ["notes", 1],
    ],
  );
  await clock.advance(10_000);
  assert.is(written.length, 1, "nothing was noted, nothing is written");
});

test("Uses of more collections than there is room for are dropped and counted", () => {
  const { uses, heard } = startUses(async () => {}, 1);
  uses.note("docs");
  uses.note("notes");
  uses.note("docs");
  assert.is(heard.dropped, 1);
});

test("A store that fails or hangs costs the notes and nothing else", async () => {
  let hang = false;
  const { clock, uses, heard } = startUses(async (_noted, signal) => {
    if (!hang) throw kennelError("unavailable");
    await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  uses.note("docs");
  await clock.advance(1_000);
  hang = true;
  uses.note("docs");
  await clock.advance(1_500);
  assert.is(heard.failed, 2);
});

test("A collection that is gone is not noted any more", async () => {
  const written: Noted[] = [];
  const { uses } = startUses(async (noted) => void written.push(noted));
  uses.note("docs");
  uses.forget("docs");
  await uses.flush();
  assert.equal(written, []);
});

test.run();
