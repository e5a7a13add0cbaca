// The page over recorded answers: states and texts that a real node does not produce on demand.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { answer, child, hit, metrics, quietTree, status, troubledTree } from "../bridge/http/page/recorded_answers.ts";
import { type Recorded, RecordedError, RecordedServer } from "../bridge/http/page/recorded_server.ts";
import { openBrowser, sidewaysOverflow } from "../support/browser.ts";

const test = suite("page faults");
const COLLECTIONS = [{ name: "docs", documents: 1204, chunks: 11429 }];
/** Chromium writes a line for every answer that is no success; the tests below ask for those. */
const isExpected = (problem: string) => problem.includes("Failed to load resource: the server responded");

function quietNode(): Recorded {
  return { collections: COLLECTIONS, search: () => answer([hit()]), status: status(quietTree), metrics: metrics(0) };
}

const server = await RecordedServer.open(quietNode());
const browser = await openBrowser({ origin: server.url, width: 1280, height: 900, colorScheme: "light" });
const { page, problems, screenshot } = browser;

test.before.each(async () => {
  Object.assign(server.recorded, quietNode());
  await page.setViewportSize({ width: 1280, height: 900 });
});

test.after(async () => {
  await browser.close();
  await server.close();
});

/** Loads an address afresh: one that differs in its hash only would not be loaded again. */
async function visit(url: string): Promise<void> {
  await page.goto(url);
  await page.reload();
}

test("A hostile passage is shown as the text it is", async () => {
  const title = "<img src=x onerror=alert(1)>";
  const text = "<script>alert(1)</script> <b>bold</b> {{7*7}} &lt;i&gt;";
  server.recorded.search = () =>
    answer([hit({ title, text, url: "javascript:alert(1)", attributes: { "<b>key</b>": "<i>value</i>" }, document_id: '"><script>' })]);
  await visit(`${server.url}/?collection=docs&q=bold`);
  const passage = page.locator(".passage");
  assert.is(await passage.locator("h3").textContent(), title);
  assert.is(await passage.locator(".passage-text").textContent(), text);
  assert.is(await passage.locator("script, img, b, i, a").count(), 0, "no element is made from data, and no link from javascript:");
  assert.match((await passage.locator(".attributes").textContent()) ?? "", "<b>key</b><i>value</i>");
  await screenshot("faults-hostile");
  assert.equal(
    problems.filter((problem) => !isExpected(problem)),
    [],
  );
});

test("A hostile address runs nothing and falls back to the defaults", async () => {
  await visit(`${server.url}/?collection=%3Cscript%3E&q=%3Cimg%20src%3Dx%3E&strategy=%22%3E&top_k=1e9#%3Cscript%3E`);
  await page.locator(".passage").waitFor();
  assert.is(await page.locator("#question").inputValue(), "<img src=x>");
  assert.is(await page.locator("#strategy").inputValue(), "hybrid");
  assert.is(await page.locator("#top-k").inputValue(), "10");
  assert.ok(server.requests.includes("POST /v1/collections/%3Cscript%3E/search"));
});

test("A long text is folded and can be unfolded, and nothing scrolls sideways at 360 pixels", async () => {
  const long = `${"Donaudampfschifffahrtsgesellschaft".repeat(20)} ${"restart ".repeat(300)}`;
  server.recorded.search = () => answer([hit({ text: long, title: "t".repeat(400), url: `https://kennel.example/${"p".repeat(300)}` })]);
  await page.setViewportSize({ width: 360, height: 740 });
  await visit(`${server.url}/?collection=docs&q=restart`);
  const body = page.locator(".passage-text");
  const folded = (await body.boundingBox())?.height ?? 0;
  assert.is(await sidewaysOverflow(page), 0);
  await screenshot("faults-long-phone");
  await page.getByRole("button", { name: "Show all of it" }).click();
  assert.ok(((await body.boundingBox())?.height ?? 0) > folded * 2);
  assert.is(await sidewaysOverflow(page), 0);
});

test("A failed search says what happened, when to try again and what to quote, and trying again works", async () => {
  server.recorded.search = () => new RecordedError(503, "unavailable", "The vector store is suspended", { "retry-after": "4" });
  await visit(`${server.url}/?collection=docs&q=why`);
  const notice = page.getByRole("alert").filter({ hasText: "cannot answer right now" });
  const words = await notice.textContent();
  assert.match(words ?? "", "The vector store is suspended. Worth trying again in 4 s.");
  assert.match(words ?? "", "503 unavailable · request 01JQ4E6Y0Z");
  await screenshot("faults-error");
  server.recorded.search = () => answer([hit()]);
  await notice.getByRole("button", { name: "Try again" }).click();
  await page.locator(".passage").waitFor();
  assert.is(await notice.count(), 0);
});

test("A degraded answer says which part it had to do without", async () => {
  server.recorded.search = () =>
    answer([hit()], {
      mode: "lexical",
      degradations: [{ stage: "embed", reason: "unavailable", service: "embedding", breaker: "half_open" }],
    });
  await visit(`${server.url}/?collection=docs&q=why`);
  assert.match((await page.locator(".notice.warn").textContent()) ?? "", "embed was left out: unavailable (embedding, breaker half open)");
  assert.match((await page.locator(".provenance").textContent()) ?? "", "lexicalEmbedding is down: BM25 only");
  await screenshot("faults-degraded");
});

test("An answer without passages and a collection without documents say what to do", async () => {
  server.recorded.search = () => answer([]);
  await visit(`${server.url}/?collection=docs&q=nothing`);
  await page.getByText('Nothing in "docs" matches this question').waitFor();
  server.recorded.collections = [];
  await visit(`${server.url}/`);
  await page.getByText("There is no collection yet").waitFor();
  assert.is(await page.locator("#ask-button").isDisabled(), true);
  await screenshot("faults-no-collection");
  server.recorded.collections = [{ name: "kennel", documents: 0, chunks: 0 }];
  await page.getByText('"kennel" holds no passages yet').waitFor();
  server.recorded.collections = [{ name: "kennel", documents: 9, chunks: 90 }];
  await page.getByText("This collection is Kennel's own documentation").waitFor();
});

test("A server that asks for a key gets it, and the question is asked again", async () => {
  server.recorded.search = () => new RecordedError(401, "unauthorized", "No valid key was given");
  await visit(`${server.url}/?collection=docs&q=why`);
  await page.getByLabel("This server asks for a key").fill("kennel_secret");
  server.recorded.search = () => answer([hit()]);
  const asked = page.waitForRequest((request) => request.url().endsWith("/search"));
  await page.getByRole("button", { name: "Use this key" }).click();
  assert.is(await (await asked).headerValue("authorization"), "Bearer kennel_secret");
  await page.locator(".passage").waitFor();
  await page.evaluate(() => sessionStorage.clear());
});

test("A suspended child is told in words beside its colour, with its whole story", async () => {
  server.recorded.status = status(troubledTree(), {
    mode: "lexical",
    events: [{ at: new Date().toISOString(), path: "stores/vectors", event: "suspended", detail: "6 restarts in 30 s" }],
  });
  await visit(`${server.url}/#actors`);
  const row = page.getByRole("treeitem", { name: "vectors" });
  assert.match((await row.textContent()) ?? "", "suspended");
  assert.is(await row.locator("use").getAttribute("href"), "#icon-suspended");
  await row.click();
  const story = (await page.locator("#actor-details").textContent()) ?? "";
  for (const words of ["stores/vectors", "Its breaker is open", "could not be opened", "6 of 5 allowed in 30 s", "Next probe"])
    assert.match(story, words);
  assert.match((await page.locator("#tree-summary").textContent()) ?? "", "4 of 9 actors ready · stores/vectors is suspended");
  assert.match((await page.locator("#event-list").textContent()) ?? "", "suspended stores/vectors");
  assert.is(await page.locator("#mode").textContent(), "lexical");
  await screenshot("faults-suspended");
});

test("The tree keeps focus and selection while actors come and go above", async () => {
  await visit(`${server.url}/#actors`);
  const item = page.getByRole("treeitem", { name: "janitor" });
  await item.click();
  server.recorded.status = status([child("first", "ingest"), ...quietTree.slice(1)]);
  await page.getByRole("treeitem", { name: "first" }).waitFor();
  assert.is(await page.getByRole("treeitem", { name: "stores" }).count(), 0);
  assert.is(await item.getAttribute("aria-selected"), "true");
  assert.is(await page.locator("#tree [tabindex='0']").count(), 1);
  server.recorded.status = status([]);
  await item.waitFor({ state: "detached" });
});

test("A server that stops answering is told at once, what is shown is marked as old, and it comes back by itself", async () => {
  await visit(`${server.url}/#actors`);
  await page.getByRole("treeitem", { name: "janitor" }).waitFor();
  server.recorded.status = new RecordedError(500, "internal", "Something failed inside the server");
  const problem = page.locator("#status-problem");
  await problem.waitFor();
  assert.match((await problem.textContent()) ?? "", "Something failed inside the server. What is shown may be out of date");
  assert.is(await page.locator("#mode").textContent(), "no answer");
  await screenshot("faults-no-answer");
  server.recorded.status = status(quietTree);
  await problem.waitFor({ state: "hidden" });
  assert.is(await page.locator("#mode").textContent(), "full");
});

test("Searches of every caller appear as figures and lines, and modes as they change", async () => {
  await visit(`${server.url}/#latency`);
  await page.getByText("No search has been measured yet").waitFor();
  server.recorded.metrics = metrics(400, 10);
  await page.locator("#figures .figure", { hasText: "p50" }).filter({ hasText: "5.00 ms" }).waitFor();
  server.recorded.status = status(quietTree, { mode: "basic" });
  await page.locator(".mode-list li", { hasText: "basic" }).waitFor();
  assert.is(await page.locator(".mode-list li").count(), 2);
  assert.is(await page.locator(".uplot canvas").count(), 2);
  await page.getByRole("button", { name: "Switch to the dark theme" }).click();
  await screenshot("faults-latency-dark");
  await page.setViewportSize({ width: 360, height: 740 });
  await page.waitForFunction(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
  assert.equal(
    problems.filter((problem) => !isExpected(problem)),
    [],
  );
  await page.getByRole("button", { name: "Switch to the light theme" }).click();
});

test.run();
