import { test } from "uvu";
import * as assert from "uvu/assert";
import { PLAIN_STRATEGIES } from "../../actors/retriever/search.ts";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { pdfOf } from "../support/pdf.ts";
import { docxOf, docxParagraph } from "../support/zip.ts";
import type { Caller } from "./caller.ts";
import { onNode } from "./node_rig.ts";

/** Ids that mean something to a query, a path, a pattern or a URL, each of which must stay a name and nothing else. */
const HOSTILE_IDS = [
  "' or 1==1 --",
  '"; drop table documents',
  "a/b/../c",
  "..%2f..",
  "50%_*?#&=+ ",
  "\\'\\\\",
  "日本語/ñ/🐕",
  "__proto__",
] as const;

interface Listed {
  readonly data: readonly { readonly id: string; readonly state: string; readonly content_hash: string }[];
  readonly next: string | null;
}

const pathOf = (collection: string, id: string) => `/v1/collections/${collection}/documents/${encodeURIComponent(id)}`;

async function listIds(caller: Caller, collection: string, limit: number): Promise<string[]> {
  const ids: string[] = [];
  let after: string | null = null;
  do {
    const query: string = after === null ? "" : `&after=${encodeURIComponent(after)}`;
    const page: Listed = await caller.must("GET", `/v1/collections/${collection}/documents?limit=${limit}${query}`);
    assert.ok(page.data.length <= limit);
    ids.push(...page.data.map((document) => document.id));
    after = page.next;
  } while (after !== null);
  return ids;
}

test("Documents of every format are found by every strategy once their job has completed", () =>
  onNode({}, async ({ caller }) => {
    const settings = { language: "english", attributes: { lang: "string", year: "number" }, fusion: { type: "rrf", k: 20 } };
    const made = await caller.makeCollection("animals", settings);
    assert.equal(made.settings.fusion, { type: "rrf", k: 20, weights: { vector: 1, bm25: 1 } });
    assert.equal(await caller.makeCollection("animals", settings), made, "the same settings again have changed something");

    const json = await caller.addDocuments("animals", [
      { id: "heron", title: "Heron", text: "The heron waits in shallow water for fish.", attributes: { lang: "en", year: 2020 } },
    ]);
    assert.is(json.status, "completed");
    assert.equal(json.counts, { total: 1, indexed: 1, unchanged: 0, skipped: 0, failed: 0, chunks: 1 });

    const lines = ["badger", "otter"].map((id) =>
      JSON.stringify({ id, text: `The ${id} digs and swims at night.`, attributes: { lang: "en" } }),
    );
    const accepted = await caller.must<WireJob>("POST", "/v1/collections/animals/documents", `${lines.join("\n")}\n`, {
      "content-type": "application/x-ndjson",
    });
    assert.is((await caller.jobEnded(accepted)).counts.indexed, 2);

    const form = new FormData();
    form.append("attributes", JSON.stringify({ lang: "de", year: 1999 }));
    form.append("files", new Blob(["# Hedgehog\n\nIt rolls itself into a *spiny* ball."], { type: "text/markdown" }), "hedgehog.md");
    form.append("files", new Blob(["<h1>Squirrel</h1><p>It hoards acorns &amp; hazelnuts.</p>"], { type: "text/html" }), "squirrel.html");
    const docx = docxOf(docxParagraph("The woodpecker drums on hollow trunks."));
    form.append("files", new Blob([new Uint8Array(docx)]), "woodpecker.docx");
    const pdf = pdfOf([["The salamander hides under rotten timber."]], "Salamander");
    form.append("files", new Blob([new Uint8Array(pdf)], { type: "application/pdf" }), "salamander.pdf");
    const uploaded = await caller.jobEnded(await caller.must<WireJob>("POST", "/v1/collections/animals/documents", form));
    assert.equal(uploaded.failures, []);
    assert.is(uploaded.counts.indexed, 4);

    const questions = {
      heron: "shallow water fish",
      otter: "otter swims",
      "hedgehog.md": "spiny ball",
      "squirrel.html": "acorns and hazelnuts",
      "woodpecker.docx": "drums on hollow trunks",
      "salamander.pdf": "rotten timber salamander",
    };
    for (const strategy of PLAIN_STRATEGIES) {
      for (const [id, query] of Object.entries(questions)) {
        const answer = await caller.search("animals", { query, strategy, min_version: uploaded.index_version });
        assert.is(answer.data[0]?.document_id, id, `${strategy} does not find ${id} first`);
        assert.is(answer.mode, "full");
      }
    }
    const german = await caller.found("animals", {
      query: "animal",
      strategy: "vector",
      filters: { type: "eq", key: "lang", value: "de" },
    });
    assert.equal(german.sort(), ["hedgehog.md", "salamander.pdf", "squirrel.html", "woodpecker.docx"]);
  }));

test("A replaced document is found by its new text and no longer by its old one, and what is unchanged costs nothing", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("notes");
    const old = { id: "note", title: "", text: "The zeppelin rises over the harbour.", attributes: { edition: 1 } };
    const other = { id: "other", title: "", text: "Gardens need rain." };
    await caller.addDocuments("notes", [old, other]);
    const again = await caller.addDocuments("notes", [old, other]);
    assert.is(again.status, "completed");
    assert.equal(again.counts, { total: 2, indexed: 0, unchanged: 2, skipped: 0, failed: 0, chunks: 0 });
    const version = (await caller.collection("notes")).index_version;

    const replaced = await caller.addDocuments("notes", [
      { ...old, text: "The submarine sinks below the pier.", attributes: { edition: 2 } },
      other,
    ]);
    assert.is(replaced.counts.indexed, 1);
    assert.is(replaced.counts.unchanged, 1);
    assert.ok((replaced.index_version ?? 0) > version);
    for (const strategy of ["bm25", "vector", "hybrid"]) {
      const answer = await caller.search("notes", { query: "zeppelin rises over the harbour", strategy });
      assert.not(JSON.stringify(answer.data).includes("zeppelin"), `${strategy} finds the old text`);
      const found = await caller.search("notes", { query: "submarine sinks below the pier", strategy });
      assert.is(found.data[0]?.text, "The submarine sinks below the pier.");
      assert.equal(found.data[0]?.attributes, { edition: 2 });
    }
    assert.equal(await caller.found("notes", { query: "zeppelin", strategy: "bm25" }), []);
    assert.is((await caller.collection("notes")).documents, 2);
  }));

test("A word is found although a small collection has it more often than it has passages", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("rivers");
    await caller.addDocuments("rivers", [{ id: "river", text: "River upon river: the river meets a river, and that river the sea." }]);
    assert.equal(await caller.found("rivers", { query: "river", strategy: "bm25" }), ["river"]);
    await caller.addDocuments("rivers", [
      { id: "delta", text: "A delta is what a river leaves; a river without a delta is a river that hurries." },
    ]);
    const { data } = await caller.search("rivers", { query: "river", strategy: "bm25" });
    assert.equal(data.map((hit) => hit.document_id).sort(), ["delta", "river"]);
    assert.ok(data.every((hit) => (hit.scores?.bm25 ?? 0) > 0));
  }));

test("A document with a hostile id is stored, found, listed, shown and deleted, and nothing else with it", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("hostile");
    const documents = ["plain", ...HOSTILE_IDS].map((id, place) => ({ id, text: `common word number${place}` }));
    const job = await caller.addDocuments("hostile", documents);
    assert.is(job.counts.indexed, documents.length);
    assert.equal((await listIds(caller, "hostile", 2)).sort(), documents.map(({ id }) => id).sort());
    for (const [place, { id, text }] of documents.entries()) {
      const shown = await caller.must<{ id: string; text: string }>("GET", pathOf("hostile", id));
      assert.equal([shown.id, shown.text], [id, text]);
      assert.equal(await caller.found("hostile", { query: `number${place}`, strategy: "bm25" }), [id]);
    }
    for (const [place, id] of HOSTILE_IDS.entries()) {
      await caller.must("DELETE", pathOf("hostile", id));
      await caller.refused("not_found", "GET", pathOf("hostile", id));
      await caller.refused("not_found", "DELETE", pathOf("hostile", id));
      for (const strategy of ["bm25", "vector"]) {
        const left = await caller.found("hostile", { query: "common word", strategy });
        assert.equal(left.sort(), ["plain", ...HOSTILE_IDS.slice(place + 1)].sort(), `${strategy} after ${id} was deleted`);
      }
    }
  }));

test("Documents deleted by a filter are gone from the list and both branches, the others stay, and a restart changes nothing", () =>
  onNode({}, async (rig) => {
    await rig.caller.makeCollection("shelf");
    const years = [1990, 1995, 2000, 2005, 2010];
    await rig.caller.addDocuments(
      "shelf",
      years.map((year) => ({ id: `book ${year}`, text: `a book about gardens`, attributes: { year, isOld: year < 2000 } })),
    );
    const path = "/v1/collections/shelf/documents";
    await rig.caller.refused("invalid_request", "DELETE", path, { filters: { type: "eq", key: "unknown' or 1==1", value: 1 } });
    await rig.caller.refused("invalid_request", "DELETE", path, {});
    const filters = {
      type: "or",
      filters: [
        { type: "eq", key: "isOld", value: true },
        { type: "gte", key: "year", value: 2010 },
      ],
    };
    assert.equal(await rig.caller.must("DELETE", path, { filters }), { object: "documents.deleted", deleted: 3 });
    assert.equal(await rig.caller.must("DELETE", path, { filters }), { object: "documents.deleted", deleted: 0 });
    const look = async () => {
      assert.equal(await listIds(rig.caller, "shelf", 1), ["book 2000", "book 2005"]);
      for (const strategy of PLAIN_STRATEGIES) {
        assert.equal((await rig.caller.found("shelf", { query: "gardens", strategy })).sort(), ["book 2000", "book 2005"], strategy);
      }
    };
    await look();
    await rig.restart();
    await look();
  }));

test.run();
