import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HedgeBudget } from "../../../../runtime/hedge.ts";
import { startRegistry } from "./registry_rig.ts";

const test = suite("second attempts of a collection's searches");

test("A store's call that hangs is attempted again and costs the query its usual time, not its branch", async () => {
  const budget = new HedgeBudget(0.05);
  const { clock, store, search, stop } = startRegistry({}, { hedges: budget });
  try {
    let asked = 0;
    const ask = (timeoutMs = 1_000) => search({ query: `cat ${asked++}` }, { timeoutMs });
    for (let query = 0; query < 40; query++) {
      const answer = ask();
      await clock.advance(1);
      await answer;
    }
    store.set("searchText", { kind: "hang" });
    const answer = ask();
    await clock.advance(5);
    store.set("searchText", null);
    await clock.advance(10);
    const { rest } = await answer;
    assert.equal(rest.degradations, []);
    assert.equal({ hedged: budget.stats.hedged, won: budget.stats.won, refused: budget.stats.refused }, { hedged: 1, won: 1, refused: 0 });
    assert.is(
      store.calls.filter(({ call, signal }) => call === "searchText" && signal.aborted).length >= 1,
      true,
      "the loser is cancelled",
    );
  } finally {
    await stop();
  }
});

test.run();
