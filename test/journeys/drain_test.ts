import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WireError } from "../../bridge/schema/errors.ts";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { startKennel } from "../support/kennel_process.ts";
import { Caller, type Reply, until } from "./caller.ts";

const SEARCHERS = 8;
const WRITERS = 4;
const QUIET = { KENNEL_PROFILE: "test", KENNEL_LOAD_DOCUMENTATION: "false" };
const DRAIN_LIMIT_MS = 10_000;

interface Outcomes {
  /** Ids of documents whose request was acknowledged. */
  readonly acknowledged: string[];
  answered: number;
  /** Connections that were never taken. */
  refused: number;
  /** What must not be: answers cut off, errors that say not to try again. */
  readonly lost: string[];
}

/** A connection that nobody took: nothing of the request was accepted. */
function isRefusedConnection(error: unknown): boolean {
  const text = `${String(error)} ${String((error as Error).cause)} ${JSON.stringify((error as Error).cause ?? {})}`;
  return /ECONNREFUSED|Connection refused|os error 111/i.test(text);
}

/** Sends one request after another until the server takes no more connections. */
async function keepAsking(outcomes: Outcomes, ask: (turn: number) => Promise<Reply<unknown>>, onDone: (turn: number) => void) {
  for (let turn = 0; ; turn++) {
    try {
      const { status, body } = await ask(turn);
      if (status < 300) {
        outcomes.answered++;
        onDone(turn);
      } else {
        const { code } = (body as WireError).error;
        if (code !== "draining" && code !== "overloaded" && code !== "unavailable") outcomes.lost.push(`answered ${status} ${code}`);
        if (code === "draining") return;
      }
    } catch (error) {
      if (isRefusedConnection(error)) outcomes.refused++;
      else outcomes.lost.push(`cut off: ${String(error)} ${String((error as Error).cause ?? "")}`);
      return;
    }
  }
}

/** Clients that use a connection for one request each, as those behind a balancer that was told of the drain. */
const ONE_REQUEST = { connection: "close" };

test("A node told to stop under load answers all that it accepted, ends with exit code 0, and keeps all it acknowledged", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-drain-"));
  const settings = {
    ...QUIET,
    KENNEL_DATA_DIR: join(folder, "data"),
    KENNEL_DRAIN_GRACE_MS: "200",
    KENNEL_DRAIN_LIMIT_MS: String(DRAIN_LIMIT_MS),
  };
  try {
    const first = await startKennel(settings);
    const outcomes: Outcomes = { acknowledged: [], answered: 0, refused: 0, lost: [] };
    try {
      const caller = new Caller(first.url);
      await caller.makeCollection("load");
      await caller.addDocuments("load", [{ id: "seed", text: "a drop of rain" }]);
      const search = (client: number) => (turn: number) =>
        caller.send("POST", "/v1/collections/load/search", { query: `rain ${client} ${turn}` }, ONE_REQUEST);
      const write = (client: number) => (turn: number) =>
        caller.send<WireJob>(
          "POST",
          "/v1/collections/load/documents",
          { documents: [{ id: `${client}-${turn}`, text: `rain number${client}x${turn}` }] },
          ONE_REQUEST,
        );
      const clients = [
        ...Array.from({ length: SEARCHERS }, (_, client) => keepAsking(outcomes, search(client), () => {})),
        ...Array.from({ length: WRITERS }, (_, client) =>
          keepAsking(outcomes, write(client), (turn) => outcomes.acknowledged.push(`${client}-${turn}`)),
        ),
      ];
      await until("the load is running", async () => outcomes.answered > 50 && outcomes.acknowledged.length > 4);
      first.signal("SIGTERM");
      first.signal("SIGTERM");
      await Promise.all(clients);
      assert.is(await first.ended, 0, first.output());
    } finally {
      await first.stop();
    }
    assert.equal(outcomes.lost, [], `after ${outcomes.answered} answers and ${outcomes.refused} refused connections`);

    const second = await startKennel(settings);
    try {
      const caller = new Caller(second.url);
      await until("every acknowledged document is indexed", async () => {
        const states = await Promise.all(
          outcomes.acknowledged.map((id) => caller.must<{ state: string }>("GET", `/v1/collections/load/documents/${id}`)),
        );
        return states.every(({ state }) => state === "indexed");
      });
      for (const id of outcomes.acknowledged.slice(-20)) {
        const found = await caller.found("load", { query: `number${id.replace("-", "x")}`, strategy: "bm25" });
        assert.equal(found, [id]);
      }
    } finally {
      await second.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
