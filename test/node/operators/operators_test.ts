import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Mode } from "../../../actors/retriever/search.ts";
import { NOTHING_SAID, nextEpoch, type OperatorWord } from "../../../cluster/configuration/operator_word.ts";
import { ALL_ON, type FlagKey } from "../../../config/flags.ts";
import { LiveFlags } from "../../../node/operators/live_flags.ts";
import { Operators, type SharedWord } from "../../../node/operators/operators.ts";
import { WordFile } from "../../../node/operators/word_file.ts";
import { kennelError, toKennelError } from "../../../runtime/errors.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { manualClock } from "../../support/manual_clock.ts";

const test = suite("operators");
const never = new AbortController().signal;

/** Where all nodes ask, in this process. */
class Shared implements SharedWord {
  word: OperatorWord = NOTHING_SAID;
  isAway = false;
  async change(change: (known: OperatorWord) => OperatorWord): Promise<OperatorWord> {
    if (this.isAway) throw kennelError("unavailable");
    this.word = { ...change(this.word), node: "writer", epoch: nextEpoch(0, this.word.epoch) };
    return this.word;
  }
}

async function withOperators(
  run: (rig: {
    start(shared?: SharedWord, owner?: string): Promise<Operators>;
    readonly live: () => LiveFlags;
    readonly board: { current: { forcedMode: Mode | null } };
    readonly switched: FlagKey[];
    readonly path: string;
  }) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-operators-"));
  const path = join(folder, "operators.json");
  const board = { current: { epoch: 0, failed: new Map(), forcedMode: null as Mode | null, sinceMs: 0 } };
  const switched: FlagKey[] = [];
  let live = new LiveFlags(ALL_ON);
  const start = async (shared?: SharedWord, owner = "alone") => {
    live = new LiveFlags({ ...ALL_ON, rerank: false });
    board.current = { ...board.current, forcedMode: null };
    const operators = new Operators({
      node: "self",
      start: { ...ALL_ON, rerank: false },
      live,
      file: new WordFile(path, owner),
      modes: { board },
      force: async (mode) => {
        board.current = { ...board.current, forcedMode: mode };
        return { mode: mode ?? "full", forced_mode: mode };
      },
      onSwitched: (flags) => switched.push(...flags),
      clock: manualClock(),
      logger: createLogger({ level: "silent", node: "test" }),
    });
    await operators.restore();
    if (shared !== undefined) operators.share(shared);
    return operators;
  };
  try {
    await run({ start, live: () => live, board, switched, path });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("What is said to the cluster holds after a restart, what is said to the node does not", async () => {
  await withOperators(async ({ start, live, board, switched }) => {
    const first = await start();
    assert.equal(await first.force("lexical", never), { mode: "lexical", forced_mode: "lexical" });
    const off = await first.switchFlag("hedging", false, "the store is full", "cluster", never);
    assert.equal([off.enabled, off.source, off.reason, off.node], [false, "cluster", "the store is full", "self"]);
    assert.is((await first.switchFlag("coalescing", false, "", "node", never)).source, "node");
    assert.equal(switched, ["hedging", "coalescing"]);
    const second = await start();
    assert.is(board.current.forcedMode, "lexical");
    assert.equal([live().values.hedging, live().values.coalescing, live().values.rerank], [false, true, false]);
    assert.equal([second.read("hedging").reason, second.read("coalescing").source], ["the store is full", "settings"]);
    await second.resetFlag("hedging", null, never);
    await second.force(null, never);
    await start();
    assert.equal([live().values.hedging, board.current.forcedMode], [true, null]);
  });
});

test("What the node was told wins over the cluster, the cluster over the settings, and each is taken back by itself", async () => {
  await withOperators(async ({ start, live, board }) => {
    const operators = await start(new Shared());
    await operators.switchFlag("rerank", true, "", "cluster", never);
    assert.is(live().values.rerank, true, "the settings said off");
    await operators.switchFlag("rerank", false, "", "node", never);
    assert.is(live().values.rerank, false);
    assert.is((await operators.resetFlag("rerank", "node", never)).source, "cluster");
    assert.is(live().values.rerank, true);
    assert.is((await operators.resetFlag("rerank", "cluster", never)).source, "settings");
    await operators.force("basic", never);
    await operators.force("down", never, "node");
    assert.is(board.current.forcedMode, "down");
    assert.is((await operators.force(null, never, "node")).forced_mode, "basic");
    await operators.force("down", never, "node");
    assert.is((await operators.force(null, never)).forced_mode, null, "with no scope both are taken back");
  });
});

test("A newer word is taken up, an older one is refused, and an unknown mode or flag does nothing", async () => {
  await withOperators(async ({ start, live, board }) => {
    const operators = await start(new Shared());
    const saying = (epoch: number, mode: string | null, flag = "hedging"): OperatorWord => ({
      ...NOTHING_SAID,
      epoch,
      node: "other",
      mode,
      flags: new Map([[flag, { enabled: false, reason: "", atMs: 0, node: "other" }]]),
    });
    assert.is(operators.hear(saying(5, "lexical")), true);
    assert.equal([board.current.forcedMode, live().values.hedging], ["lexical", false]);
    assert.is(operators.hear(saying(4, "down", "rewriting")), false);
    assert.is(operators.hear(saying(5, "lexical")), false, "the same again");
    assert.equal([board.current.forcedMode, live().values.rewriting], ["lexical", true]);
    assert.is(operators.hear(saying(6, "of_a_later_version", "quantum")), true);
    assert.equal([board.current.forcedMode, live().values.hedging], [null, true]);
  });
});

test("A cluster that cannot be told changes nothing and says so; the node alone can be", async () => {
  await withOperators(async ({ start, live, board }) => {
    const shared = new Shared();
    shared.isAway = true;
    const operators = await start(shared);
    for (const asked of [() => operators.force("lexical", never), () => operators.switchFlag("hedging", false, "", "cluster", never)]) {
      const thrown = await asked().then(
        () => null,
        (error: unknown) => toKennelError(error).code,
      );
      assert.is(thrown, "unavailable");
    }
    assert.equal([board.current.forcedMode, live().values.hedging], [null, true]);
    await operators.force("lexical", never, "node");
    await operators.switchFlag("hedging", false, "", "node", never);
    assert.equal([board.current.forcedMode, live().values.hedging], ["lexical", false]);
  });
});

test("What was said to a node that was alone, or to another cluster, is not carried into the one that it joins", async () => {
  await withOperators(async ({ start, board }) => {
    await (await start()).force("down", never);
    const shared = new Shared();
    const operators = await start(shared, "cluster-1");
    assert.equal([operators.word.epoch, board.current.forcedMode], [0, null]);
    await operators.force("basic", never);
    await start(shared, "cluster-1");
    assert.is(board.current.forcedMode, "basic");
    await start(new Shared(), "cluster-2");
    assert.is(board.current.forcedMode, null);
  });
});

test("A damaged file keeps no node from starting: nothing of it holds", async () => {
  await withOperators(async ({ start, board, path }) => {
    await writeFile(path, '{"v":1,"epoch":');
    const operators = await start();
    assert.equal([operators.word.epoch, board.current.forcedMode], [0, null]);
    await operators.force("lexical", never);
    await start();
    assert.is(board.current.forcedMode, "lexical");
  });
});

test.run();
