import type { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SearchAnswer } from "../../../actors/retriever/search.ts";
import { type Attributes, type Filter, matches } from "../../../actors/vector_store/filter.ts";
import type { WireCollection } from "../../../bridge/schema/collections.ts";
import type { MilvusServer } from "../../../tooling/servers/milvus_process.ts";
import { HOSTILE_STRINGS } from "../../actors/vector_store/chunk_rows.ts";
import { type Caller, until } from "../../journeys/caller.ts";
import { type NodeRig, onNode } from "../../journeys/node_rig.ts";
import { assertWorks, commandsOf, readmeBlocks } from "../../support/readme_commands.ts";
import { ARTICLES, attributesOf, embedded, ForeignMaker } from "./foreign_collections.ts";

type Suite = ReturnType<typeof suite>;

export interface AdoptedTests {
  readonly server: () => MilvusServer;
  /** The server ranks texts by BM25, and knows null. */
  readonly hasText: boolean;
}

const FIELDS = { id: "pk", vector: "embedding", text: "body", document_id: null, title: null, url: null };
const SCHEMA = { year: "number", small: "number", price: "number", ok: "boolean", lang: "string", rank: "number" } as const;

/** A node over a real server, whose collections others have made. One server serves all. */
export function adoptedTests(own: Suite, { server, hasText }: AdoptedTests): void {
  const on = (name: string, journey: (rig: NodeRig, maker: ForeignMaker) => Promise<void>) =>
    own(name, async () => {
      const maker = await ForeignMaker.connect(server().address, hasText);
      try {
        const settings = { KENNEL_MILVUS_URL: `http://${server().address}`, KENNEL_LOAD_DOCUMENTATION: "false", KENNEL_HTTP_PORT: "0" };
        await onNode(settings, (rig) => journey(rig, maker));
      } finally {
        await maker.close();
      }
    });

  on("A collection of others is shown, adopted under a guessed mapping and searched as it is", async (rig, maker) => {
    await maker.makeArticles();
    const { caller } = rig;
    const listed = await caller.must<{ data: { name: string; adopted_as: string[] }[] }>("GET", "/v1/vector_store/collections");
    assert.equal(listed.data.find(({ name }) => name === "articles")?.adopted_as, []);
    const unloaded = await caller.must<Look>("GET", "/v1/vector_store/collections/articles");
    assert.equal(unloaded.adopt, { collection: "articles", mode: "read_only", fields: FIELDS });
    assert.match(String(unloaded.read_only_because), "autoID");

    const before = await maker.describe("articles");
    const made = await caller.makeCollection("news", { adopt: { collection: "articles" }, allow_degraded: false });
    assert.equal(made.settings.adopt, { collection: "articles", mode: "read_only", fields: FIELDS });
    assert.equal(sorted(made.attributes), sorted(SCHEMA));
    assert.equal(made.adopted?.strategies, ["vector", "bm25", "hybrid"]);
    assert.is(made.adopted?.lexical, hasText ? "milvus" : "local_replica");
    assert.is(made.adopted?.metric, "L2");
    assert.ok(made.adopted?.ignored.some(({ field }) => field === "meta"));
    const again = await caller.send<WireCollection>("PUT", "/v1/collections/news", made.settings);
    assert.is(again.status, 200, JSON.stringify(again.body));
    assert.is(again.body.updated_at, made.updated_at, "the same settings again change nothing");

    await findsByWordsAndVectors(caller, hasText);
    const look = await caller.must<Look>("GET", "/v1/vector_store/collections/articles");
    assert.equal([look.rows, look.adopted_as], [ARTICLES.length, ["news"]]);
    assert.equal(await maker.describe("articles"), before, "nothing of it was changed");
  });

  on("The README's commands do what it says", async ({ caller }) => {
    const [block = ""] = readmeBlocks("runs with milvus");
    const commands = commandsOf(block);
    assert.ok(commands.length >= 7);
    for (const command of commands) await assertWorks(command, caller.url);
    assert.is((await caller.collection("news")).settings.adopt?.collection, "articles");
    await caller.refused("not_found", "GET", "/v1/collections/press");
  });

  on("Every filter gives what the reference evaluator gives", async ({ caller }) => {
    await caller.makeCollection("news", { adopt: { collection: "articles" } });
    const rows = ARTICLES.map((text, place) => ({ text, attributes: attributesOf(place, hasText) }));
    const count = async (filter: Filter) => {
      const answer = await caller.search("news", { query: "hound", strategy: "vector", top_k: 100, filters: filter, include: ["text"] });
      return answer.data.map(({ text }) => text).sort();
    };
    for (const filter of filtersOf(rows.map(({ attributes }) => attributes))) {
      const expected = rows.filter(({ attributes }) => matches(filter, attributes)).map(({ text }) => text).sort(); // biome-ignore format: one thought
      assert.equal(await count(filter), expected, JSON.stringify(filter));
    }
    const refusal = await caller.refused("invalid_request", "POST", "/v1/collections/news/search", {
      query: "x",
      filters: { type: "eq", key: "meta", value: "x" },
    });
    assert.is(refusal.param, "filters.key");
  });

  on("What others write is found by the next search, and what a read-only adoption may not do is refused", async (rig, maker) => {
    await rig.caller.makeCollection("news", { adopt: { collection: "articles" } });
    const query = { query: "glass blowing in Venice", strategy: "vector", top_k: 1, include: ["text"] };
    await maker.alias("articles_live", "articles");
    await rig.caller.makeCollection("live", { adopt: { collection: "articles_live" } });
    assert.is((await rig.caller.search("live", { query: "yeast", strategy: "vector", include: ["text"] })).data[0]?.text, ARTICLES[4]);
    await rig.caller.must("DELETE", "/v1/collections/live");
    const first = await rig.caller.search("news", query);
    await maker.addArticles(["Glass is blown on the island of Murano near Venice"], ARTICLES.length);
    let second = first;
    await until("the new row is found", async () => {
      second = await rig.caller.search("news", query);
      return second.data[0]?.text?.startsWith("Glass") === true;
    });
    assert.match(String(second.data[0]?.text), "Murano");

    const { caller } = rig;
    for (const [method, path, body] of [
      ["POST", "documents", { documents: [{ id: "a", text: "b" }] }],
      ["DELETE", "documents/a", undefined],
      ["DELETE", "documents", { filters: { type: "eq", key: "lang", value: "en" } }],
      ["GET", "documents", undefined],
      ["POST", "reindex", {}],
    ] as const) {
      assert.match((await caller.refused("conflict", method, `/v1/collections/news/${path}`, body)).message, "articles");
    }
    const [hit] = second.data;
    const document = await caller.must<{ text: string }>("GET", `/v1/collections/news/documents/${hit?.document_id}`);
    assert.match(document.text, "Murano");
    await caller.refused("not_found", "GET", "/v1/collections/news/documents/12");

    const rows = await maker.count("articles");
    await rig.restart();
    assert.is((await rig.caller.search("news", query)).data[0]?.id, hit?.id);
    await maker.release("articles");
    assert.is((await rig.caller.search("news", query)).data[0]?.id, hit?.id, "one that is not in memory is loaded");
    await rig.caller.must("DELETE", "/v1/collections/news");
    assert.is(await maker.count("articles"), rows);
    assert.not.ok(
      (await maker.names()).some((name) => name.startsWith("kennel_")),
      "Kennel made something beside it",
    );
  });

  on("What can't be adopted is refused with the field and what is allowed", async ({ caller }, maker) => {
    await maker.makePlain("two_texts", ["text", "content"]);
    await maker.makePlain("unindexed", ["text"], false);
    const refused = (adopt: object, others: object = {}) =>
      caller.refused("invalid_request", "PUT", "/v1/collections/other", { adopt, ...others });
    const cases: readonly [object, object, string, string][] = [
      [{ collection: "two_texts" }, {}, "adopt.fields.text", "text, content"],
      [{ collection: "unindexed" }, {}, "adopt.fields.vector", "has no index"],
      [{ collection: "articles", mode: "read_write" }, {}, "adopt.mode", "autoID"],
      [{ collection: "articles", fields: { text: "bodi" } }, {}, "adopt.fields.text", "fields.text"],
      [{ collection: "articles", fields: { id: "body" } }, {}, "adopt.fields.id", "pk"],
      [{ collection: "kennel_docs_v1" }, {}, "adopt.collection", "Kennel's own"],
      [{ collection: "articles", colour: 1 }, {}, "adopt.colour", "collection, mode, fields"],
      [{ collection: "articles" }, { ttl_seconds: 60 }, "ttl_seconds", "null"],
      [{ collection: "articles" }, { attributes: { year: "string" } }, "attributes.year", "number"],
    ];
    for (const [adopt, others, param, words] of cases) {
      if (param === "adopt.fields.text" && words === "fields.text") continue;
      const error = await refused(adopt, others);
      assert.equal([error.param, error.message.includes(words)], [param, true], error.message);
    }
    await caller.refused("not_found", "PUT", "/v1/collections/other", { adopt: { collection: "nowhere" } });
    await caller.refused("not_found", "GET", "/v1/vector_store/collections/nowhere");
    await caller.makeCollection("plain", {});
    assert.is((await caller.refused("conflict", "PUT", "/v1/collections/plain", { adopt: { collection: "articles" } })).param, "adopt");
    await caller.must("DELETE", "/v1/collections/plain");
  });

  on("Vectors of another length than the model's are asked by vectors, and scores keep the order of inner products", async ({ caller }) => {
    const made = await caller.makeCollection("tiny", { adopt: { collection: "two_texts", fields: { text: "content" } } });
    assert.is(made.adopted?.text_queries, false);
    assert.ok(made.adopted?.notes.some((note) => note.includes("bring its vector")));
    const error = await caller.refused("invalid_request", "POST", "/v1/collections/tiny/search", { query: "text", strategy: "vector" });
    assert.equal([error.param, error.message.includes("4 dimensions")], ["vector", true]);
    const byWords = await caller.search("tiny", { query: "content 2", include: ["text"] });
    assert.equal([byWords.data[0]?.text, byWords.data[0]?.score_type], ["content 2", "bm25"]);
    const { data } = await caller.search("tiny", { vector: [1, 0, 0, 0], include: ["text", "attributes"] });
    assert.equal(data.map(({ id, text }) => [id, text]), [["3", "content 3"], ["2", "content 2"], ["1", "content 1"]]); // biome-ignore format: one claim
    assert.ok(data.every(({ score }) => score > 0.5 && score < 1));
    assert.equal(data[0]?.attributes, { text: "text 3" });
    await caller.refused("invalid_request", "POST", "/v1/collections/tiny/search", { vector: [1, 0] });
  });

  on("Adopted to be written to, it takes documents under its own names and gives them up again", async (rig, maker) => {
    await maker.makeNotes("notes_of_others");
    const { caller } = rig;
    const adopt = { collection: "notes_of_others", mode: "read_write" };
    const made = await caller.makeCollection("notes", { adopt });
    assert.is(made.settings.adopt?.fields.document_id, "doc_id");
    const lacking = await caller.refused("invalid_request", "POST", "/v1/collections/notes/documents", {
      documents: [{ id: "a", text: "b" }],
    });
    assert.is(lacking.param, "documents[0].attributes.lang");
    const attributes = { lang: "en", year: 2026 };
    const job = await caller.addDocuments("notes", [
      { id: "kite", text: "A kite flies in the wind on a string.", attributes },
      { id: "article1", text: "Owls hunt at night and hardly make a sound.", attributes },
      { id: "long", text: "word ".repeat(200), attributes },
    ]);
    assert.equal([job.status, job.counts.indexed, job.counts.failed], ["completed", 2, 1], JSON.stringify(job));
    assert.match(String(job.failures[0]?.message), "at most 400");
    for (const strategy of ["vector", "bm25", "hybrid"])
      assert.is((await caller.found("notes", { query: "a kite in the wind", strategy, allow_degraded: false }))[0], "kite", strategy);
    assert.equal(await maker.rows("notes_of_others", 'doc_id == "kite"', ["id", "text", "lang", "year"]), [
      { id: "kite#0", text: "A kite flies in the wind on a string.", lang: "en", year: 2026 },
    ]);
    const replaced = await maker.rows("notes_of_others", 'doc_id == "article1"', ["id"]);
    assert.equal(replaced, [{ id: "article1#0" }], "the rows that the document had before are gone");

    const [vector] = await embedded(["A stray dog."]);
    const nameless = (id: string) => ({ id, vector, doc_id: "", text: "A stray dog.", lang: "fr", year: 1 });
    await maker.insert("notes_of_others", [nameless("stray1"), nameless("stray2")]);
    // What others have just written is seen a little later.
    const isSeen = async (id: string) => (await caller.send("GET", `/v1/collections/notes/documents/${id}`)).status === 200;
    await until("rows without a document are read by their ids", async () => (await isSeen("stray1")) && (await isSeen("stray2")));
    await caller.must("DELETE", "/v1/collections/notes/documents/stray1");
    assert.equal(await maker.rows("notes_of_others", 'doc_id == ""', ["id"]), [{ id: "stray2" }]);
    const strays = await caller.must<{ deleted: number }>("DELETE", "/v1/collections/notes/documents", {
      filters: { type: "eq", key: "lang", value: "fr" },
    });
    assert.is(strays.deleted, 1, "a row without a document is one");

    await caller.must("DELETE", "/v1/collections/notes/documents/article0"); // that of others
    await caller.must("DELETE", "/v1/collections/notes/documents/kite");
    await caller.refused("not_found", "DELETE", "/v1/collections/notes/documents/kite");
    assert.equal(await maker.rows("notes_of_others", 'doc_id in ["article0", "kite"]', ["id"]), []);
    const { deleted } = await caller.must<{ deleted: number }>("DELETE", "/v1/collections/notes/documents", {
      filters: { type: "eq", key: "lang", value: "de" },
    });
    assert.is(deleted, 1);
    assert.is(await maker.count("notes_of_others"), 1, "one document of one row is left");

    for (const hostile of HOSTILE_STRINGS.filter((text) => /^[^\p{Cc}\p{Cs}]{1,40}$/u.test(text))) {
      const path = `/v1/collections/notes/documents/${encodeURIComponent(hostile)}`;
      await caller.refused("not_found", "GET", path);
      await caller.refused("not_found", "DELETE", path);
    }
    assert.is(await maker.count("notes_of_others"), 1, "a hostile id took what it does not name");

    await rig.restart();
    for (const strategy of ["vector", "bm25", "hybrid"])
      assert.equal(await rig.caller.found("notes", { query: "owls at night", strategy }), ["article1"], strategy);
    await rig.caller.must("DELETE", "/v1/collections/notes");
    assert.is(await maker.count("notes_of_others"), 1);
    assert.not.ok(
      (await maker.names()).some((name) => name.startsWith("kennel_")),
      "Kennel made something beside it",
    );
  });

  on("A collection that its owner has dropped is an outage of it alone, never an empty answer", async ({ caller }, maker) => {
    await caller.makeCollection("gone", { adopt: { collection: "two_texts", fields: { text: "content" } } });
    await caller.makeCollection("stays", { adopt: { collection: "articles" } });
    await caller.search("gone", { vector: [1, 0, 0, 0] });
    await maker.drop("two_texts");
    for (let ask = 0; ask < 12; ask++) {
      const reply = await caller.send<SearchAnswer>("POST", "/v1/collections/gone/search", { vector: [0, ask + 1, 1, 0] });
      assert.ok(reply.status >= 400 || reply.body.mode === "stale", JSON.stringify(reply.body));
    }
    assert.is((await caller.search("stays", { query: "hound", top_k: 1 })).mode, "full");
    await caller.must("DELETE", "/v1/collections/gone");
  });
}

/** Run last: it leaves the server dead. */
export function adoptedOutageTests(own: Suite, { server }: AdoptedTests): void {
  own(
    "While Milvus is gone what was asked before is answered with its age, or by the words that are copied; nothing is empty",
    async () => {
      const settings = { KENNEL_MILVUS_URL: `http://${server().address}`, KENNEL_LOAD_DOCUMENTATION: "false", KENNEL_HTTP_PORT: "0" };
      await onNode(settings, async ({ caller }) => {
        await caller.makeCollection("news", { adopt: { collection: "articles" } });
        const asked = { query: "which dog was bred to hunt hare?", top_k: 1, include: ["text"] };
        assert.is((await caller.search("news", asked)).mode, "full");
        server().kill("SIGKILL");
        const modes = new Set<string>();
        await until("an answer says that Milvus is gone", async () => {
          const reply = await caller.send<SearchAnswer>("POST", "/v1/collections/news/search", asked);
          assert.ok(reply.status === 200 || reply.status === 503, JSON.stringify(reply.body));
          if (reply.status !== 200) return false;
          assert.is(reply.body.data[0]?.text, ARTICLES[0]);
          modes.add(reply.body.mode);
          return reply.body.mode === "stale" || reply.body.mode === "lexical";
        });
        const unknown = await caller.send<SearchAnswer>("POST", "/v1/collections/news/search", { ...asked, query: "birds that were shot" });
        if (modes.has("stale")) assert.is(unknown.status, 503, JSON.stringify(unknown.body));
        else assert.match(String(unknown.body.data[0]?.text), "birds");
      });
    },
  );
}

interface Look {
  readonly rows: number | null;
  readonly adopted_as: readonly string[];
  readonly adopt: object | null;
  readonly read_only_because: string | null;
}

async function findsByWordsAndVectors(caller: Caller, hasText: boolean): Promise<void> {
  const query = "which dog was bred to hunt hare?";
  const { data, mode, degradations } = await caller.search("news", { query, top_k: 3, include: ["text", "attributes", "scores"] });
  assert.equal([mode, degradations], ["full", []]);
  assert.is(data[0]?.text, ARTICLES[0]);
  assert.equal(sortedJson(data[0]?.attributes), sortedJson({ ...attributesOf(0, hasText) }));
  const [vector] = await embedded([query]);
  const [stored] = await embedded([ARTICLES[0]]);
  const cosine = (vector ?? []).reduce((sum, component, place) => sum + component * (stored?.[place] ?? 0), 0);
  const [nearest] = (await caller.search("news", { query, strategy: "vector", top_k: 1 })).data;
  assert.ok(Math.abs((nearest?.score ?? 0) - (1 + cosine) / 2) < 1e-4, `${nearest?.score} is not (1 + ${cosine}) / 2`);
  assert.is(nearest?.score_type, "cosine");
  const byWords = await caller.search("news", { query: "yeast", strategy: "bm25", include: ["text"] });
  assert.equal(byWords.data.map(({ text }) => text), [ARTICLES[4]]); // biome-ignore format: one claim
}

/** Each comparison with each attribute, with values that are there, between and beyond, and some put together. */
function filtersOf(rows: readonly Attributes[]): Filter[] {
  const values: Readonly<Record<string, readonly (string | number | boolean)[]>> = {
    year: [1991, 1992, 1991.5, 1e300, -1e300, 9_007_199_254_740_992],
    small: [0, -2, 300, 0.5],
    price: [Math.fround(1.1 * 2), 2.5],
    ok: [true, false],
    lang: ["en", 'de"\\', "", "zz"],
    rank: [1, 1.5],
  };
  const simple = Object.entries(values).flatMap(([key, wanted]) =>
    wanted.flatMap((value) => (["eq", "ne", "gt", "gte", "lt", "lte"] as const).map((type): Filter => ({ type, key, value }))),
  );
  const lists = Object.entries(values).flatMap(([key, wanted]): Filter[] => [
    { type: "in", key, value: wanted },
    { type: "nin", key, value: wanted.slice(0, 1) },
    { type: "in", key, value: [] },
    { type: "nin", key, value: [] },
  ]);
  const [first] = rows;
  const joined: Filter[] = [
    { type: "and", filters: [{ type: "gte", key: "year", value: first?.year as number }, { type: "ne", key: "lang", value: "en" }] }, // biome-ignore format: one thought
    { type: "or", filters: [{ type: "eq", key: "ok", value: true }, { type: "nin", key: "year", value: [1991, 1993] }] }, // biome-ignore format: one thought
  ];
  return [...simple, ...lists, ...joined];
}

function sorted(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function sortedJson(value: object | undefined): string {
  return JSON.stringify(sorted(value ?? {}));
}
