import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AdoptedColumn } from "../../../../../actors/vector_store/adoption.ts";
import { matchDocuments, rowsOfDocuments } from "../../../../../actors/vector_store/milvus/adopted/reads.ts";
import { adoptionOf } from "../../adoptions.ts";

const test = suite("reads of a collection of others");

const TEXT: AdoptedColumn = { type: "string", isDynamic: false, isNullable: false, isRequired: true, maxBytes: null };
const adoption = (document: Partial<AdoptedColumn>) => adoptionOf({ columns: { id: TEXT, doc_id: { ...TEXT, ...document } } });

test("A row without a document is one of its own: where it says nothing, and where it says it with no text", () => {
  assert.is(rowsOfDocuments(adoption({}), ["a"]), '(doc_id in ["a"] or (doc_id == "" and id in ["a"]))');
  assert.is(
    rowsOfDocuments(adoption({ isNullable: true }), ["a"]),
    '(((doc_id is not null) and doc_id in ["a"]) or ((doc_id is null) and id in ["a"]) or ((doc_id is not null) and doc_id == "" and id in ["a"]))',
  );
  assert.is(
    rowsOfDocuments(adoption({ isDynamic: true }), ["a"]),
    '(((exists doc_id) and doc_id in ["a"]) or ((not (exists doc_id)) and id in ["a"]) or ((exists doc_id) and doc_id == "" and id in ["a"]))',
  );
  assert.is(rowsOfDocuments(adoption({ type: "integer" }), ["7"]), "doc_id in [7]");
});

test("No page of a long list is asked for once nobody waits for it any more", async () => {
  const leaving = new AbortController();
  let pages = 0;
  const client = {
    query: async ({ limit }: { readonly limit: number }) => {
      pages += 1;
      if (pages === 2) leaving.abort(new Error("too late"));
      const data = Array.from({ length: limit }, (_, place) => ({ id: `${pages}-${String(place).padStart(6, "0")}`, doc_id: "one" }));
      return { status: { error_code: "Success", code: 0 }, data };
    },
  } as unknown as MilvusClient;
  const filter = { type: "ne", key: "lang", value: "en" } as const;
  const outcome = await matchDocuments(client, adoption({}), filter, 10, leaving.signal).catch((thrown: unknown) => thrown);
  assert.instance(outcome, Error);
  assert.is(pages, 2);
});

test.run();
