import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { searchParameters, toCosine } from "../../../../../actors/vector_store/milvus/adopted/scores.ts";

const test = suite("scores of a collection of others");

test("Between unit vectors every metric gives the cosine", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: Math.PI, noNaN: true }), (angle) => {
      const cosine = Math.cos(angle);
      const squaredDistance = 2 - 2 * cosine;
      for (const [metric, score] of [["COSINE", cosine], ["IP", cosine], ["L2", squaredDistance]] as const) // biome-ignore format: one table
        assert.ok(Math.abs(toCosine({ metric, isUnit: true }, score) - cosine) < 1e-12, metric);
    }),
  );
});

test("With vectors of any length the order stays and nothing leaves -1..1", () => {
  const any = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(any, any, (left, right) => {
      const [a, b] = [left, right].map((score) => toCosine({ metric: "IP", isUnit: false }, score)) as [number, number];
      assert.ok(Math.abs(a) <= 1);
      if (left < right) assert.ok(a <= b);
    }),
  );
});

test("An index is told what its kind takes, and nothing where its kind is not known", () => {
  const told = (type: string, lists: number | null = null) => searchParameters({ index: { type, lists } }, 64, 100);
  assert.equal(told("HNSW"), { ef: 100 });
  assert.equal(told("IVF_FLAT", 4), { nprobe: 4 });
  assert.equal(told("IVF_SQ8", 1_024), { nprobe: 32 });
  assert.equal(told("SCANN"), { nprobe: 8 });
  assert.equal(told("DISKANN"), { search_list: 100 });
  for (const type of ["FLAT", "AUTOINDEX", "SOMETHING"]) assert.equal(told(type), {});
});

test.run();
