// The page on a running node: what a newcomer does first, by mouse and by keyboard.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openBrowser, sidewaysOverflow } from "../support/browser.ts";
import { startKennel } from "../support/kennel_process.ts";

const test = suite("page");
const kennel = await startKennel();
const browser = await openBrowser({ origin: kennel.url, width: 1280, height: 900, colorScheme: "light" });
const { page, problems, screenshot } = browser;

test.after(async () => {
  await browser.close();
  await kennel.stop();
});

test("A newcomer finds the documentation chosen, takes a first question and sees ranked passages", async () => {
  await page.goto(kennel.url);
  await page.getByText("This collection is Kennel's own documentation").waitFor();
  assert.is(await page.locator("#collection").inputValue(), "kennel");
  await screenshot("page-first");
  await page.locator(".suggestion").first().click();
  const passages = page.locator(".passage");
  await passages.first().waitFor();
  const scores = (await passages.locator(".score-value").allTextContents()).map(Number);
  assert.ok(scores.length > 1);
  assert.equal(
    scores,
    scores.toSorted((a, b) => b - a),
    "best first",
  );
  assert.match((await passages.first().locator(".branches").textContent()) ?? "", /BM25#\d+/);
  const how = (await page.locator(".provenance").textContent()) ?? "";
  for (const words of ["Mode", "Cache", "bm25", "in the server", "Request"]) assert.match(how, words);
  await screenshot("page-answer");
});

test("A question can be asked by keyboard alone, and its address asks it again", async () => {
  await page.goto(`${kennel.url}/#latency`);
  await page.reload();
  await page.locator("#view-latency h2").waitFor();
  await page.keyboard.press("/");
  assert.is(await page.evaluate(() => document.activeElement?.id), "question");
  await page.keyboard.type("how does a crashed child come back?");
  await page.keyboard.press("Enter");
  const first = page.locator(".passage h3").first();
  await first.waitFor();
  const answered = await first.textContent();
  const address = new URL(page.url());
  assert.is(address.searchParams.get("collection"), "kennel");
  assert.is(address.searchParams.get("q"), "how does a crashed child come back?");
  await page.goto("about:blank");
  await page.goto(address.href);
  await first.waitFor();
  assert.is(await first.textContent(), answered);
});

test("The same question asked again comes from the result cache", async () => {
  await page.goto(`${kennel.url}/?collection=kennel&q=what+is+a+mailbox`);
  await page.locator(".provenance").waitFor();
  await page.reload();
  await page.locator(".provenance", { hasText: "served from the result cache" }).waitFor();
});

test("The skip link is the first stop and leads past the navigation", async () => {
  await page.goto(`${kennel.url}/#actors`);
  await page.reload();
  await page.getByRole("treeitem").first().waitFor();
  await page.keyboard.press("Tab");
  assert.is(await page.evaluate(() => document.activeElement?.id), "skip");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.is(await page.evaluate(() => document.activeElement?.getAttribute("role")), "treeitem");
});

test("The supervision tree is live and moves with the arrow keys", async () => {
  const tree = page.getByRole("tree");
  await tree.getByText("embedding").first().waitFor();
  const retriever = tree.locator("[role=treeitem]", { hasText: "kennel" }).first();
  await retriever.waitFor();
  const states = await tree.locator(".state").allTextContents();
  assert.ok(
    states.every((state) => ["starting", "ready", "probing"].includes(state)),
    states.join(", "),
  );
  await page.getByRole("treeitem").first().focus();
  const selected = () => page.locator("[role=treeitem][aria-selected=true]").getAttribute("data-path");
  const first = await selected();
  await page.keyboard.press("ArrowDown");
  assert.is.not(await selected(), first);
  assert.is(await page.evaluate(() => document.activeElement?.getAttribute("aria-selected")), "true");
  assert.match((await page.locator("#actor-details").textContent()) ?? "", (await selected()) ?? "");
  const isAnswered = (response: { url(): string }) => response.url().endsWith("/v1/status");
  await page.waitForResponse(isAnswered);
  await page.waitForResponse(isAnswered);
  await screenshot("page-actors");
});

test("Searches asked from anywhere appear among the latencies", async () => {
  await page.locator("#link-latency").click();
  await page.getByText("All searches this node answered").waitFor();
  await fetch(`${kennel.url}/v1/collections/kennel/search`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "which port does it listen on?" }),
  });
  await page
    .locator("#figures .figure", { hasText: "p99" })
    .filter({ hasText: /\d ms|\d s/ })
    .waitFor();
  await page.locator(".mode-list li", { hasText: "full" }).waitFor();
  await page.locator("#latency-chart canvas").waitFor();
  await screenshot("page-latency");
});

test("The theme follows the system until it is switched, and the choice outlives a reload", async () => {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await paper();
  assert.is.not(dark, light);
  await page.getByRole("button", { name: "Switch to the light theme" }).click();
  assert.is(await paper(), light);
  await page.reload();
  assert.is(await paper(), light);
  await page.getByRole("button", { name: "Switch to the dark theme" }).click();
  await screenshot("page-latency-dark");
  assert.is(await paper(), dark);
});

test("Every view fits a screen of 360 pixels", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  for (const view of ["?collection=kennel&q=what%20is%20a%20breaker#ask", "#actors", "#latency"]) {
    await page.goto("about:blank");
    await page.goto(`${kennel.url}/${view}`);
    await page
      .locator(view.includes("q=") ? ".passage" : view === "#actors" ? "[role=treeitem]" : "#latency-chart canvas")
      .first()
      .waitFor();
    assert.is(await sidewaysOverflow(page), 0, view);
    await screenshot(`page-phone-${view.replace(/^.*#/, "")}`);
  }
});

test("All of it wrote no error, broke no policy and asked no other origin", () => {
  assert.equal(problems, []);
});

test.run();
