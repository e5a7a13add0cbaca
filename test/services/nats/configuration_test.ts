/** What nodes tell each other by a bucket of a real JetStream: nodes here are a connection, a catalog and what operators have said. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AliasRecord, CollectionRecord } from "../../../actors/document_store/collection_record.ts";
import { encodeWord, NOTHING_SAID, newerWord, type OperatorWord } from "../../../cluster/configuration/operator_word.ts";
import { type Control, NO_CONTROL } from "../../../cluster/lease/control.ts";
import { CONFIG_BUCKET } from "../../../cluster/nats/config_bucket.ts";
import { SharedConfiguration } from "../../../node/cluster/shared_configuration.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { toKennelError } from "../../../runtime/errors.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { Counts, openLink, startServer, until } from "./nats_rig.ts";

const STORES = "shared";
let server: NatsServer | undefined;
const test = suite("configuration in JetStream");
const soon = () => AbortSignal.timeout(20_000);

class Node {
  readonly name: string;
  readonly counts = new Counts();
  readonly records = new Map<string, CollectionRecord>();
  readonly aliases = new Map<string, AliasRecord>();
  readonly looked: string[] = [];
  readonly controls: Control[] = [];
  aliasLooks = 0;
  isLeader = false;
  word: OperatorWord = NOTHING_SAID;
  readonly configuration: SharedConfiguration;
  readonly #rig: ReturnType<typeof openLink>;

  constructor(name: string) {
    this.name = name;
    this.#rig = openLink([server as NatsServer], { name });
    const self = this;
    this.configuration = new SharedConfiguration({
      link: this.#rig.link,
      stores: STORES,
      node: name,
      catalog: {
        isLoaded: true,
        resolve: (wanted) => {
          const record = this.records.get(wanted);
          return record === undefined ? null : { record, version: record.version };
        },
        list: () => ({ items: [...this.records.values()], next: null }),
        alias: (wanted) => this.aliases.get(wanted) ?? null,
        aliases: () => [...this.aliases.values()],
      },
      operators: {
        get word() {
          return self.word;
        },
        hear(word) {
          if (newerWord(self.word, word) === self.word) return false;
          self.word = word;
          return true;
        },
        settle: () => undefined,
      },
      sync: { changed: (collection) => void this.looked.push(collection), aliasesChanged: () => void this.aliasLooks++ },
      hearControl: (control) => void this.controls.push(control),
      isLeader: () => this.isLeader,
      clock: systemClock(),
      logger: createLogger({ level: "silent", node: name }),
      count: this.counts.add,
      checkMs: 200,
      rescanMs: 500,
    });
    this.configuration.start();
  }

  get state(): string {
    return (this.configuration.describe() as { readonly state: string }).state;
  }

  get keys(): number {
    return (this.configuration.describe() as { readonly keys: number }).keys;
  }

  get client() {
    const { client } = this.#rig.link;
    if (client === null) throw new Error(`${this.name} is not connected`);
    return client;
  }

  async bucket() {
    return this.client.jetstream().views.kv(CONFIG_BUCKET);
  }

  async say(mode: string): Promise<void> {
    const word = await this.configuration.change((known) => ({ ...known, mode }), soon());
    this.word = newerWord(this.word, word);
  }

  hold(name: string, indexVersion: number, createdAtMs = 1): void {
    const record = { name, createdAtMs, version: 1, indexVersion, versions: [], settings: { replicas: 2 }, attributes: {} };
    this.records.set(name, record as unknown as CollectionRecord);
  }

  async end(): Promise<void> {
    this.configuration.stop();
    await this.#rig.close();
  }
}

async function withNodes(names: readonly string[], run: (...nodes: Node[]) => Promise<void>): Promise<void> {
  const nodes = names.map((name) => new Node(name));
  try {
    await until("all are level", () => nodes.every(({ state }) => state === "level"));
    await run(...nodes);
  } finally {
    await Promise.all(nodes.map((node) => node.end().catch(() => undefined)));
    await emptied();
  }
}

/** No test sees what another has written. */
async function emptied(): Promise<void> {
  const rig = openLink([server as NatsServer]);
  await rig.link.untilConnected(soon());
  await (await rig.link.client?.jetstreamManager())?.streams.delete(`KV_${CONFIG_BUCKET}`).catch(() => false);
  await rig.close();
}

test.before(async () => {
  server = await startServer();
});
test.after(async () => {
  await server?.stop();
});

test("What one node is told all hear, also one that joins later, and each word is newer than those before", async () => {
  await withNodes(["a", "b"], async (a, b) => {
    await a?.say("lexical");
    await until("b hears it", () => b?.word.mode === "lexical");
    const first = b?.word.epoch ?? 0;
    await b?.say("basic");
    await until("a hears it", () => a?.word.mode === "basic");
    assert.ok((a?.word.epoch ?? 0) > first);
    const late = new Node("late");
    await until("a node that joins takes it up", () => late.word.mode === "basic");
    await late.end();
  });
});

test("Of those who speak at the same time each is heard, one after another", async () => {
  await withNodes(["a", "b", "c"], async (...nodes) => {
    const flag = { enabled: false, reason: "", atMs: 1, node: "x" };
    await Promise.all(
      nodes.map((node) =>
        node.configuration.change((known) => ({ ...known, flags: new Map([...known.flags, [node.name, flag]]) }), soon()),
      ),
    );
    await until("all know all three", () => nodes.every(({ word }) => ["a", "b", "c"].every((name) => word.flags.has(name))));
  });
});

test("A bucket that is deleted under running nodes is made anew from what they hold", async () => {
  await withNodes(["a", "b"], async (a, b) => {
    if (a === undefined || b === undefined) return;
    b.isLeader = true;
    for (const node of [a, b]) node.hold("docs", 3);
    b.aliases.set("current", { alias: "current", collection: "docs", version: null });
    a.aliases.set("current", { alias: "current", collection: "docs", version: null });
    await a.say("lexical");
    await until("the leader has written what there is", () => a.keys === 2 && b.keys === 2);
    await (await a.client.jetstreamManager()).streams.delete(`KV_${CONFIG_BUCKET}`);
    await Promise.all([a.counts.until("configuration_bucket_replaced"), b.counts.until("configuration_bucket_replaced")]);
    await until("all is there again", async () => {
      const bucket = await a.bucket();
      const word = await bucket.get(`${STORES}.operators`).catch(() => null);
      return word?.json<{ readonly mode: string }>().mode === "lexical" && a.keys === 2 && b.keys === 2;
    });
    assert.ok(a.counts.of("operators_restored") + b.counts.of("operators_restored") >= 1);
    assert.equal([a.word.mode, b.word.mode], ["lexical", "lexical"]);
    await b.say("basic");
    await until("it works as before", () => a.word.mode === "basic");
  });
});

test("An older word, a deleted and a malformed one are not heard, and are replaced by what nodes hold", async () => {
  await withNodes(["a", "b"], async (a, b) => {
    if (a === undefined || b === undefined) return;
    await a.say("lexical");
    await until("b hears it", () => b.word.mode === "lexical");
    const bucket = await a.bucket();
    const key = `${STORES}.operators`;
    const isRestored = async () => (await bucket.get(key))?.string().includes('"lexical"') === true;
    await bucket.put(key, encodeWord({ ...NOTHING_SAID, epoch: 5, node: "old", mode: "down" }));
    await until("the older one is replaced", isRestored);
    await bucket.delete(key);
    await until("the deleted one is back", isRestored);
    await bucket.put(key, "{");
    await Promise.all([a.counts.until("malformed_operators"), b.counts.until("malformed_operators")]);
    await until("the malformed one is replaced", isRestored);
    assert.equal([a.word.mode, b.word.mode], ["lexical", "lexical"]);
  });
});

test("What the version before and a later one have written is heard; what they have said beside it is kept", async () => {
  await withNodes(["a"], async (a) => {
    if (a === undefined) return;
    const bucket = await a.bucket();
    const later = { v: 2, epoch: 10, node: "new", mode: "basic", flags: { quantum: { enabled: false } }, quota: { docs: 5 } };
    await bucket.put(`${STORES}.operators`, JSON.stringify(later));
    await until("it is heard", () => a.word.mode === "basic");
    await a.say("lexical");
    const there = (await bucket.get(`${STORES}.operators`))?.json<typeof later>();
    assert.equal([there?.mode, there?.quota, there?.flags.quantum.enabled, there?.v], ["lexical", { docs: 5 }, false, 2]);
    await bucket.put(`${STORES}.collections.docs`, '{"v":1,"node":"old","created_at_ms":1,"version":1}');
    await until("the store is asked for what an older version tells of", () => a.looked.includes("docs"));
  });
});

test("Of collections and aliases that others change the store is read; what is level is left alone", async () => {
  await withNodes(["a", "b"], async (a, b) => {
    if (a === undefined || b === undefined) return;
    for (const node of [a, b]) node.hold("same", 4);
    a.hold("docs", 1);
    for (const name of ["same", "docs"]) a.configuration.collectionChanged(name);
    a.aliases.set("current", { alias: "current", collection: "docs", version: 1 });
    a.configuration.aliasChanged("current");
    await until("b looks", () => b.looked.includes("docs") && b.aliasLooks > 0);
    assert.not(b.looked.includes("same"));
    b.hold("docs", 1);
    b.looked.length = 0;
    a.hold("docs", 2);
    a.configuration.collectionChanged("docs");
    await until("b looks for what the index holds now", () => b.looked.includes("docs"));
    b.hold("docs", 2);
    b.looked.length = 0;
    a.records.delete("docs");
    a.configuration.collectionChanged("docs");
    await until("b looks for what is gone", () => b.looked.includes("docs"));
    const late = new Node("late");
    late.hold("same", 3);
    await until("a node that was away looks for what it has missed", () => late.looked.includes("same"));
    assert.not(late.looked.includes("docs"));
    await late.end();
  });
});

test("The leader's word is kept for who joins later, and never replaced by that of an older leader", async () => {
  await withNodes(["a", "b"], async (a, b) => {
    const control: Control = { ...NO_CONTROL, epoch: 20, sequence: 1, replicas: new Map([["docs", 3]]), mode: "full" };
    a?.configuration.keepControl(control);
    await until("b hears it", () => b?.controls.at(-1)?.epoch === 20);
    b?.configuration.keepControl({ ...control, epoch: 19, sequence: 7, replicas: new Map() });
    a?.configuration.keepControl({ ...control, sequence: 2, mode: "lexical" });
    await until("b hears the next", () => b?.controls.at(-1)?.mode === "lexical");
    const late = new Node("late");
    await until("who joins hears the newest", () => late.controls.length > 0);
    assert.equal([late.controls[0]?.epoch, late.controls[0]?.replicas.get("docs"), late.controls.length], [20, 3, 1]);
    await late.end();
  });
});

test("While JetStream is away nobody can tell the cluster, all keep what they have heard, and afterwards it goes on", async () => {
  await withNodes(["a", "b"], async (a, b) => {
    if (a === undefined || b === undefined || server === undefined) return;
    await a.say("lexical");
    await until("b hears it", () => b.word.mode === "lexical");
    server.kill("SIGKILL");
    await until("both know", () => a.state === "away" && b.state === "away");
    const thrown = await a.say("basic").then(
      () => null,
      (error: unknown) => toKennelError(error).code,
    );
    assert.is(thrown, "unavailable");
    assert.equal([a.word.mode, b.word.mode], ["lexical", "lexical"]);
    await server.restart();
    await until("both are level again", () => a.state === "level" && b.state === "level");
    await b.say("basic");
    await until("a hears it", () => a.word.mode === "basic");
  });
});

test.run();
