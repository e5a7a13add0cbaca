// Evaluation on the page: strategies side by side, builds compared, the way to another build and back.
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Caller } from "../journeys/caller.ts";
import { openBrowser, sidewaysOverflow } from "../support/browser.ts";
import { startKennel } from "../support/kennel_process.ts";

/** A part of NPL: what is relevant to its first questions, and as many others. */
const QUESTIONS = 24;
const npl = (name: string) =>
  readFileSync(new URL(`../data/npl/${name}`, import.meta.url), "utf8")
    .trim()
    .split("\n");
const queries = npl("queries.jsonl")
  .slice(0, QUESTIONS)
  .map((line) => JSON.parse(line) as { readonly _id: string; readonly text: string });
const qrels = npl("qrels.tsv").map((line) => line.split("\t"));
const JUDGEMENTS = queries
  .map(({ _id, text }) => {
    const relevant = Object.fromEntries(qrels.filter(([query]) => query === _id).map(([, id, grade]) => [id, Number(grade)]));
    return JSON.stringify({ query: text, relevant });
  })
  .join("\n");
const relevantIds = new Set(qrels.filter(([query]) => queries.some(({ _id }) => _id === query)).map(([, id]) => id));
const corpus = npl("corpus.jsonl").map((line) => JSON.parse(line) as { readonly _id: string; readonly text: string });
const DOCUMENTS = corpus
  .filter(({ _id }, at) => relevantIds.has(_id) || at % 8 === 0)
  .slice(0, 900)
  .map(({ _id, text }) => ({ id: _id, text }));

const kennel = await startKennel({ KENNEL_LOAD_DOCUMENTATION: "false" });
const caller = new Caller(kennel.url);
await caller.makeCollection("texts");
await caller.addDocuments("texts", DOCUMENTS);
const browser = await openBrowser({ origin: kennel.url, width: 1280, height: 900, colorScheme: "light" });
const { page, problems, screenshot } = browser;
const STRATEGY_ROWS = "#evaluation tbody tr";

const test = suite("page: evaluation");
test.after(async () => {
  await browser.close();
  await kennel.stop();
});

test("What is wrong with judgements is said where they are written", async () => {
  await page.goto(`${kennel.url}/#evaluate`);
  await page.getByText("Version 1 is searched").waitFor();
  await screenshot("evaluate-first");
  const field = page.locator("#judgements");
  const hint = page.locator("#judgements-hint");
  for (const [text, said] of [
    ["{", "Line 1 is no JSON"],
    ['{"query": "q", "relevant": {"d1": 1}}\n{"query": ""}', 'Line 2 has no "query"'],
    ['[{"query": "q", "relevant": {"d1": 0}}]', "Question 1 has no document with a grade above 0"],
  ] as const) {
    await field.fill(text);
    assert.match((await hint.textContent()) ?? "", said);
    assert.is(await page.locator("#evaluate-button").isDisabled(), true);
  }
  await field.fill(JUDGEMENTS);
  assert.is(await hint.textContent(), "24 questions");
});

test("Every strategy is judged, in a table and a plot", async () => {
  await page.locator("#evaluate-button").click();
  await page.locator(".figure-mean").nth(23).waitFor();
  const rows = page.locator(STRATEGY_ROWS);
  // This node has no language model: those that want one are judged as what is left of them, and say so.
  assert.equal(await rows.locator("th").allTextContents(), [
    "hybrid",
    "vector",
    "bm25",
    "parent document",
    "multi query24 answers degraded",
    "hyde24 answers degraded",
  ]);
  for (const text of await page.locator(".figure-mean").allTextContents()) assert.ok(Number(text) >= 0 && Number(text) <= 1, text);
  assert.ok((await page.locator("td.best").count()) >= 4);
  await page.locator(".interval-plot .mean").nth(5).waitFor();
  assert.is(await page.locator("#evaluate-cancel").isVisible(), false);
  await screenshot("evaluate-strategies");
});

test("Another build is made and compared by the same questions, held when told, searched, and left again", async () => {
  await page.locator("#build-language").fill("none");
  await page.locator("#build-switch").selectOption("manual");
  await page.getByRole("button", { name: "Make another build" }).click();
  const item = page.locator(".build", { hasText: "Version 2 is complete and held back" });
  await item.waitFor();
  await page.getByText("It was to be held until someone says so").waitFor();
  assert.match((await page.locator(".comparison").textContent()) ?? "", /24 judged questions.*nDCG@10\d\.\d{3} → \d\.\d{3}/s);
  await screenshot("evaluate-held");
  await item.getByRole("button", { name: "Search this one" }).click();
  await page.getByText("Version 2 is searched").waitFor();
  assert.is((await caller.collection("texts")).version, 2);
  await screenshot("evaluate-switched");
  await page.getByRole("button", { name: "Back to this one" }).click();
  await page.getByText("Version 1 is searched").waitFor();
  await page.getByRole("button", { name: "Let it go" }).click();
  await page.locator(".build").nth(1).waitFor({ state: "detached" });
  assert.equal((await caller.collection("texts")).versions, []);
});

test("What a server refuses is said beside the builds", async () => {
  await page.locator("#build-language").fill("klingon");
  await page.getByRole("button", { name: "Make another build" }).click();
  await page.locator("#build-result .notice.bad", { hasText: "language" }).waitFor();
});

test("Evaluation fits a screen of 360 pixels, and the dark theme", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.locator("#evaluate-button").click();
  await page.locator(".interval-plot .mean").nth(5).waitFor();
  assert.is(await sidewaysOverflow(page), 0);
  await screenshot("evaluate-phone-dark");
  await page.setViewportSize({ width: 1280, height: 900 });
  await screenshot("evaluate-dark");
});

test("All of it wrote no error, broke no policy and asked no other origin", () => {
  assert.equal(
    problems.filter((problem) => !problem.includes("400")),
    [],
  );
});

test.run();
