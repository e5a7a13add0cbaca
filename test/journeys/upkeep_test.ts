/** What a node does to keep itself in order, as an operator sees and steers it. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { z } from "zod";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import type { upkeepTaskSchema } from "../../bridge/schema/upkeep.ts";
import type { StatusNode, SupervisionEvent } from "../../supervisor/child.ts";
import { runKennel } from "../support/command_process.ts";
import { type Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

type Task = z.output<typeof upkeepTaskSchema>;

const TASKS = [
  "remove_expired",
  "finish_removals",
  "finish_deletions",
  "drop_versions",
  "prune_jobs",
  "optimize_indexes",
  "remove_orphans",
  "refresh_retrievers",
  "warm_popular",
  "clean_uploads",
  "keep_usage",
  "watch_memory",
];

const test = suite("upkeep");

const order = (caller: Caller, task: string, action: string) => caller.must<Task>("POST", `/v1/upkeep/${task}`, { action });
const tasks = async (caller: Caller) => (await caller.must<{ data: Task[] }>("GET", "/v1/upkeep")).data;

test("Each task runs on its own, is paused, resumed and run by an operator, and stands in the status tree", async () => {
  await onNode(
    { KENNEL_JANITOR_INTERVAL_MS: "20", KENNEL_JANITOR_ORPHAN_INTERVAL_MS: "20", KENNEL_JANITOR_MEMORY_INTERVAL_MS: "20" },
    async ({ caller }) => {
      await caller.makeCollection("docs");
      await caller.addDocuments("docs", [{ id: "a", text: "herons nest in colonies" }]);
      await until("each task has run", async () => (await tasks(caller)).every(({ runs }) => runs > 0));
      const all = await tasks(caller);
      assert.equal(
        all.map(({ task }) => task),
        TASKS,
      );
      assert.equal(
        all.filter(({ last_error }) => last_error !== null),
        [],
      );

      assert.equal((await order(caller, "optimize_indexes", "pause")).is_paused, true);
      let paused: Task | undefined;
      await until("a run that was under way has ended", async () => {
        paused = (await tasks(caller)).find(({ task }) => task === "optimize_indexes");
        return paused?.is_running === false;
      });
      const pausedAt = (await tasks(caller)).find(({ task }) => task === "remove_expired")?.runs ?? 0;
      await until(
        "the others have gone on",
        async () => ((await tasks(caller)).find(({ task }) => task === "remove_expired")?.runs ?? 0) > pausedAt + 3,
      );
      assert.equal(
        (await tasks(caller)).find(({ task }) => task === "optimize_indexes"),
        paused,
      );
      assert.is((await order(caller, "optimize_indexes", "run")).runs, (paused?.runs ?? 0) + 1);
      assert.equal((await order(caller, "optimize_indexes", "resume")).is_paused, false);

      const { children } = await caller.must<{ children: StatusNode[] }>("GET", "/v1/status");
      const janitor = children.find(({ path }) => path.endsWith("/janitor"));
      assert.equal(
        janitor?.children.map(({ path, state }) => `${path.split("/").at(-1)} ${state}`),
        TASKS.map((task) => `${task} ready`),
      );
      assert.is(janitor?.children[0]?.details?.task, "remove_expired");
      const metrics = await (await fetch(`${caller.url}/metrics`)).text();
      assert.match(metrics, /kennel_upkeep_runs_total\{task="optimize_indexes",outcome="ok"\} \d/);

      await caller.refused("not_found", "POST", "/v1/upkeep/nothing", { action: "run" });
      assert.is((await caller.refused("invalid_request", "POST", "/v1/upkeep/prune_jobs", { action: "stop" })).param, "action");
    },
  );
});

test("The command line shows and steers the tasks", async () => {
  await onNode({}, async ({ caller }) => {
    const run = (...args: readonly string[]) => runKennel(["upkeep", ...args], { KENNEL_URL: caller.url });
    const paused = await run("pause", "prune_jobs");
    assert.equal([paused.exitCode, paused.err], [0, ""]);
    assert.match(paused.out, /^prune_jobs +paused/);
    const listed = await run();
    for (const task of TASKS) assert.match(listed.out, new RegExp(`^${task} +(waiting|paused|running)`, "m"));
    const ran = await run("run", "prune_jobs", "--json");
    assert.equal([JSON.parse(ran.out).runs, JSON.parse(ran.out).is_paused], [1, true]);
    assert.is((await run("resume", "prune_jobs")).exitCode, 0);
    const unknown = await run("run", "nothing");
    assert.is(unknown.exitCode, 1);
    assert.match(unknown.err, "There is no such task");
  });
});

test("A node makes backups by itself, keeps the newest, and what it makes restores and is verified", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-scheduled-"));
  try {
    const settings = { KENNEL_BACKUP_FOLDER: join(folder, "backups"), KENNEL_BACKUP_KEEP: "1", KENNEL_JANITOR_INTERVAL_MS: "50" };
    const backups = async () => (await readdir(join(folder, "backups")).catch(() => [])).filter((name) => name.endsWith(".backup"));
    await onNode(settings, async ({ caller }) => {
      await caller.makeCollection("docs");
      await caller.addDocuments("docs", [{ id: "a", text: "herons nest in colonies" }]);
      await until("one is made", async () => (await backups()).length === 1);
      const [first] = await backups();
      await until("a second has passed, so that the next has another name", async () => {
        await order(caller, "backup", "run");
        return (await backups())[0] !== first;
      });
      assert.is((await backups()).length, 1);
      assert.is((await order(caller, "backup", "run")).last_error, null);
    });
    const [made = ""] = await backups();
    const file = join(folder, "backups", made);
    assert.is((await stat(file)).mode & 0o777, 0o600);
    const verified = await runKennel(["backup", "verify", file, "--json"], {});
    assert.is(verified.exitCode, 0, verified.err);
    assert.equal([JSON.parse(verified.out).collections, JSON.parse(verified.out).documents], [1, 1]);

    const whole = await readFile(file);
    whole[whole.length - 100] = (whole[whole.length - 100] ?? 0) ^ 0xff;
    await writeFile(file, whole);
    const damaged = await runKennel(["backup", "verify", file], {});
    assert.is(damaged.exitCode, 1);
    assert.match(damaged.err, "is damaged");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("A document whose content is not what was accepted is found by verifying, where no digest tells of it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-verify-"));
  try {
    const file = join(folder, "one.backup");
    await onNode({}, async ({ caller, dataDir }) => {
      await caller.makeCollection("docs");
      await caller.addDocuments("docs", [{ id: "a", text: "# Herons\n\nThey nest in colonies", format: "markdown" }]);
      assert.is((await runKennel(["backup", file], { KENNEL_DATA_DIR: dataDir })).exitCode, 0);
    });
    assert.is((await runKennel(["backup", "verify", file], {})).exitCode, 0, "a title that was read in the text is no change");
    const { default: Database } = await import("libsql");
    const database = new Database(file);
    database.prepare(`UPDATE documents SET attributes = '{"kind":"dog"}' WHERE id = 'a'`).run();
    database.close();
    await rm(`${file}.sha256`);
    const verified = await runKennel(["backup", "verify", file], {});
    assert.is(verified.exitCode, 1);
    assert.match(verified.err, 'A document of "docs" is not what was accepted: "a"');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("Searches are counted by collection over a restart; a collection that is deleted is forgotten", async () => {
  interface Usage {
    readonly data: readonly { readonly collection: string; readonly searches: number; readonly days: Readonly<Record<string, number>> }[];
  }
  await onNode({ KENNEL_RETRIEVER_USE_FLUSH_INTERVAL_MS: "20" }, async (rig) => {
    const usage = async () =>
      (await rig.caller.must<Usage>("GET", "/v1/usage")).data.map(({ collection, searches }) => `${collection} ${searches}`);
    for (const name of ["docs", "pets"]) await rig.caller.makeCollection(name);
    for (let asked = 0; asked < 3; asked++) await rig.caller.search("docs", { query: `herons ${asked}` });
    await rig.caller.search("pets", { query: "hare" });
    await until("they are counted", async () => (await usage()).join() === "docs 3,pets 1");
    await rig.restart();
    assert.equal(await usage(), ["docs 3", "pets 1"]);
    await rig.caller.search("docs", { query: "herons again" });
    await until("it is added", async () => (await usage())[0] === "docs 4");
    const [first] = (await rig.caller.must<Usage>("GET", "/v1/usage?limit=1")).data;
    assert.is(
      Object.values(first?.days ?? {}).reduce((sum, count) => sum + count, 0),
      4,
    );
    await rig.caller.must("DELETE", "/v1/collections/docs");
    assert.equal(await usage(), ["pets 1"]);
    await rig.caller.refused("invalid_request", "GET", "/v1/usage?limit=0");
    await rig.caller.refused("invalid_request", "GET", "/v1/usage?top=1");
  });
});

test("Above the mark the node says so among its events, and lets retrievers go", async () => {
  await onNode({ KENNEL_RESIDENT_HIGH_WATER: "0.0001", KENNEL_JANITOR_MEMORY_INTERVAL_MS: "20" }, async ({ caller }) => {
    await caller.makeCollection("docs");
    const job: WireJob = await caller.addDocuments("docs", [{ id: "a", text: "herons nest in colonies" }]);
    assert.is(job.status, "completed");
    await caller.search("docs", { query: "herons" });
    await until("nothing is held in memory", async () => {
      const { events, retrievers } = await caller.must<{ events: SupervisionEvent[]; retrievers: { bytes: number } }>("GET", "/v1/status");
      return events.some(({ event, detail }) => event === "memory_high" && /% of \d+ MB/.test(detail ?? "")) && retrievers.bytes === 0;
    });
    assert.equal(await caller.found("docs", { query: "where do herons nest?" }), ["a"], "the store answers");
  });
});

test.run();
