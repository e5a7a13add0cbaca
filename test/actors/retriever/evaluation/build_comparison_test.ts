import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ComparisonPlan } from "../../../../actors/document_store/index_version.ts";
import { BuildsCompared, type ComparedQuestion, judgedQuestions } from "../../../../actors/retriever/evaluation/build_comparison.ts";
import type { EncodedAnswer, SearchRequest } from "../../../../actors/retriever/search.ts";
import { type ErrorCode, kennelError } from "../../../../runtime/errors.ts";
import { OPEN_SCOPE } from "../../../../transport/transport.ts";
import { rejectsWith } from "../../document_store/document_store_contract.ts";
import { searchRequest } from "../search_requests.ts";

const signal = new AbortController().signal;
const PLAN: ComparisonPlan = { judged: null, strategy: "hybrid", margin: 0.01, minOverlap: 0.5, maxQueries: 10 };

/** Ids by version and query; a code is what the search fails with. */
type Answers = Readonly<Record<number, Readonly<Record<string, readonly string[] | ErrorCode>>>>;

function compared(answers: Answers, plan: ComparisonPlan, questions: readonly ComparedQuestion[]) {
  const asked: { version: number; request: SearchRequest }[] = [];
  const search = async (version: number, request: SearchRequest): Promise<EncodedAnswer> => {
    asked.push({ version, request });
    const found = answers[version]?.[request.query ?? ""] ?? [];
    if (typeof found === "string") throw kennelError(found);
    const hits = found.map((id, place) => ({ document_id: id, score: 1 - place / 10 - (version === 2 ? 0.05 : 0) }));
    return { hits: new TextEncoder().encode(JSON.stringify(hits)), rest: { degradations: [] } as unknown as EncodedAnswer["rest"] };
  };
  return { comparison: new BuildsCompared({ search, active: 1, next: 2 }, plan, questions), asked };
}

const recent = (...queries: string[]): ComparedQuestion[] =>
  queries.map((query) => ({ request: searchRequest({ query, useCache: true }), scope: OPEN_SCOPE, grades: null }));

const judged = (plan: ComparisonPlan) => judgedQuestions("docs", plan);

const comparing = suite("comparison of builds");

comparing("Judged questions are compared by nDCG@10, and a fall within the margin is not worse", async () => {
  const plan = { ...PLAN, judged: [{ query: "q", grades: { a: 1 } }] };
  for (const [margin, isWorse] of [
    [0.3, true],
    [0.4, false],
  ] as const) {
    const { comparison } = compared({ 1: { q: ["a", "b"] }, 2: { q: ["b", "a"] } }, { ...plan, margin }, judged(plan));
    assert.is(await comparison.step(signal), true);
    assert.is(await comparison.step(signal), false);
    const result = comparison.result();
    assert.is(result?.basis, "judged");
    assert.is(result?.ndcg10?.before, 1);
    assert.ok(Math.abs((result?.ndcg10?.after ?? 0) - 1 / Math.log2(3)) < 1e-12);
    assert.ok(Math.abs((result?.ndcg10?.difference.mean ?? 0) - (1 / Math.log2(3) - 1)) < 1e-12);
    assert.is(result?.overlap10, 1);
    assert.is(result?.isWorse, isWorse);
  }
});

comparing("Recent questions are compared by what both find, in the scope of those who asked, past the cache", async () => {
  const { comparison, asked } = compared(
    { 1: { one: ["a", "b"], two: ["c"] }, 2: { one: ["a", "x"], two: ["c"] } },
    PLAN,
    recent("one", "two"),
  );
  while (await comparison.step(signal));
  const result = comparison.result();
  assert.equal([result?.basis, result?.queries, result?.ndcg10, result?.overlap10], ["recent", 2, null, 0.75]);
  assert.ok(Math.abs((result?.scoreShift ?? 0) + 0.05) < 1e-12);
  assert.is(result?.isWorse, false);
  for (const { request } of asked) assert.equal([request.useCache, request.topK, request.groupBy], [false, 10, "document"]);
  assert.equal(
    asked.map(({ version, request }) => [version, request.allowDegraded]),
    [
      [2, false],
      [1, true],
      [2, false],
      [1, true],
    ],
  );
});

comparing("Little in common, or a question that finds nothing any more, is worse", async () => {
  for (const [after, minOverlap] of [
    [["x", "y"], 0.5],
    [[], 0],
  ] as const) {
    const { comparison } = compared({ 1: { q: ["a", "b"] }, 2: { q: after } }, { ...PLAN, minOverlap }, recent("q"));
    while (await comparison.step(signal));
    assert.is(comparison.result()?.isWorse, true);
  }
});

comparing("Judged questions are asked for whom the plan names, and without one as who sees everything", () => {
  const plan = { ...PLAN, judged: [{ query: "q", grades: { a: 1 } }] };
  const scopeOf = (principals?: readonly string[]) =>
    judged(principals === undefined ? plan : { ...plan, principals })[0]?.scope.principals;
  assert.equal([scopeOf(), scopeOf([]), scopeOf(["user:ann"])], [null, [], ["user:ann"]]);
});

comparing("What the active build cannot answer is left out where nothing is judged, and counts as nothing found where it is", async () => {
  const answers: Answers = { 1: { q: "unavailable" }, 2: { q: ["a"] } };
  const open = compared(answers, PLAN, recent("q"));
  while (await open.comparison.step(signal));
  const result = open.comparison.result();
  assert.equal([result?.queries, result?.failed, result?.isWorse], [0, 1, false]);
  const plan = { ...PLAN, judged: [{ query: "q", grades: { a: 1 } }] };
  const graded = compared(answers, plan, judged(plan));
  while (await graded.comparison.step(signal));
  assert.equal([graded.comparison.result()?.ndcg10?.before, graded.comparison.result()?.ndcg10?.after], [0, 1]);
});

comparing("A new build that cannot answer in full is waited for, a question that fits no more is left out", async () => {
  const failing: Record<number, Record<string, readonly string[] | ErrorCode>> = { 1: { q: ["a"] }, 2: { q: "degraded" } };
  const { comparison } = compared(failing, PLAN, recent("q"));
  await rejectsWith("unavailable", comparison.step(signal));
  failing[2] = { q: ["a"] };
  assert.is(await comparison.step(signal), true, "the same question again");
  assert.is(await comparison.step(signal), false);
  assert.is(comparison.result()?.queries, 1);
  const unfit = compared({ 1: {}, 2: { q: "invalid_request" } }, PLAN, recent("q"));
  while (await unfit.comparison.step(signal));
  assert.is(unfit.comparison.result()?.failed, 1);
  assert.is(compared({}, PLAN, []).comparison.result(), null, "nothing was asked");
});

comparing.run();
