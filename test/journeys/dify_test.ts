import { test } from "uvu";
import * as assert from "uvu/assert";
import { onNode } from "./node_rig.ts";

interface Answer {
  readonly records: readonly { readonly content: string; readonly score: number; readonly title: string; readonly metadata: object }[];
}

const QUESTION = { knowledge_id: "pets", query: "hunting hare", retrieval_setting: { top_k: 3, score_threshold: 0 } };

test("Dify gets records with title, score and metadata, and its conditions hold", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("pets");
    await caller.addDocuments("pets", [
      {
        id: "beagle",
        title: "Beagle",
        text: "A small scent hound, bred to hunt hare.",
        url: "https://example.com/b",
        attributes: { kind: "dog", year: 1890 },
      },
      { id: "manx", text: "A cat without a tail.", attributes: { kind: "cat", year: 1810 } },
    ]);
    const { records } = await caller.must<Answer>("POST", "/dify/retrieval", QUESTION);
    assert.equal(
      [records[0]?.title, records[0]?.metadata],
      ["Beagle", { kind: "dog", year: 1890, document_id: "beagle", url: "https://example.com/b" }],
    );
    const titles = async (conditions: readonly object[], logical_operator = "and") => {
      const answer = await caller.must<Answer>("POST", "/dify/retrieval", {
        ...QUESTION,
        metadata_condition: { logical_operator, conditions },
      });
      return answer.records.map(({ title }) => title).sort();
    };
    assert.equal(await titles([{ name: ["kind"], comparison_operator: "is", value: "cat" }]), ["manx"]);
    assert.equal(await titles([{ name: "year", comparison_operator: "≥", value: 1850 }]), ["Beagle"]);
    const either = [
      { name: "kind", comparison_operator: "is not", value: "cat" },
      { name: "year", comparison_operator: "<", value: 1850 },
    ];
    assert.equal(await titles(either, "or"), ["Beagle", "manx"]);
  }));

test("Dify's mistakes are named: an unknown knowledge base, a comparison that there is not", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("pets", { attributes: { kind: "string" } });
    const param = async (code: string, changes: object) =>
      (await caller.refused(code, "POST", "/dify/retrieval", { ...QUESTION, ...changes })).param;
    assert.is(await param("not_found", { knowledge_id: "none" }), "knowledge_id");
    assert.is(await param("invalid_request", { query: " " }), "query");
    assert.is(await param("invalid_request", { retrieval_setting: { top_k: 0 } }), "retrieval_setting.top_k");
    const conditions = [{ name: "kind", comparison_operator: "contains", value: "d" }];
    assert.is(
      await param("invalid_request", { metadata_condition: { conditions } }),
      "metadata_condition.conditions[0].comparison_operator",
    );
  }));

test.run();
