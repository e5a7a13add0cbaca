// Chat on the page: answers as they are written, their citations, what stands in for a model, cancelling, hostile text.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Caller } from "../journeys/caller.ts";
import { openBrowser, sidewaysOverflow } from "../support/browser.ts";
import { startKennel } from "../support/kennel_process.ts";
import { answerStatus, type Behaviour, startOpenAiServer } from "../support/openai_server.ts";

const event = (fields: object) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", ...fields })}\n\n`;
const piece = (content: string) => event({ choices: [{ index: 0, delta: { content } }] });
const END = `${event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}data: [DONE]\n\n`;
const streams =
  (parts: readonly string[], then: "end" | "hang" | "cut" = "end"): Behaviour =>
  (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const part of parts) response.write(part);
    if (then === "end") response.end(END);
    if (then === "cut") setTimeout(() => response.socket?.destroy(), 50);
  };

const PETS = [
  {
    id: "manx",
    title: "The Manx",
    url: "https://example.com/manx",
    text: "The Manx is a breed of cat from the Isle of Man. It is a cat without a tail, or with a short one, and hunts well.",
  },
  { id: "beagle", title: "The Beagle", text: "A small scent hound, bred to hunt hare. It is gentle and follows its nose." },
  {
    id: "evil",
    title: "<img src=x onerror=alert(1)>",
    text: "Hostile passage <script>alert(2)</script> about the xylophone.",
    url: "javascript:alert(3)",
  },
];
const ANSWER = [
  piece("The Manx is "),
  piece("a cat without a tail [1: "),
  piece('"a cat without a tail"], from an island in the Irish Sea [1: "from the Isle of Man"].'),
];

const provider = await startOpenAiServer({ dimensions: 4 });
provider.behave(streams(ANSWER));
const kennel = await startKennel({
  KENNEL_LOAD_DOCUMENTATION: "false",
  KENNEL_CHAT: "openai:test-chat",
  OPENAI_BASE_URL: provider.url,
  KENNEL_OPENAI_MAX_RETRIES: "0",
});
const caller = new Caller(kennel.url);
await caller.makeCollection("pets");
await caller.addDocuments("pets", PETS);
const browser = await openBrowser({ origin: kennel.url, width: 1280, height: 900, colorScheme: "light" });
const { page, problems, screenshot } = browser;

const test = suite("page: chat");
test.after(async () => {
  await browser.close();
  await kennel.stop();
  await provider.stop();
});

async function ask(question: string): Promise<void> {
  await page.locator("#chat-question").fill(question);
  await page.keyboard.press("Enter");
}

const lastAnswer = () => page.locator(".turn-answer").last();
const settled = () => page.locator(".turn-answer:not([aria-busy])");

test("An answer is shown with marks that lead to its passages", async () => {
  await page.goto(`${kennel.url}/#chat`);
  await page.getByText("Answers come from the collection alone").waitFor();
  await screenshot("chat-first");
  await ask("Which cat has no tail?");
  await settled().waitFor();
  assert.is(
    await lastAnswer().locator(".turn-text").textContent(),
    "The Manx is a cat without a tail 1, from an island in the Irish Sea 1.",
  );
  const source = lastAnswer().locator(".source-item");
  assert.is(await source.count(), 1);
  assert.is(await source.locator("a").getAttribute("href"), "https://example.com/manx");
  assert.equal(await source.locator("blockquote").allTextContents(), ["a cat without a tail", "from the Isle of Man"]);
  await lastAnswer().locator(".cite").first().click();
  assert.is(await page.evaluate(() => document.activeElement?.className), "source-item");
  await screenshot("chat-answer");
});

test("What was said before goes along with the next question", async () => {
  provider.forget();
  provider.behaveOnce(streams([piece("Does the Manx hunt?")]));
  await ask("Does it hunt?");
  await settled().nth(1).waitFor();
  assert.match(JSON.stringify(provider.requests[0]?.body), /Which cat has no tail\?.*a cat without a tail/);
});

test("An answer under way can be cancelled, and the model's call with it", async () => {
  provider.forget();
  provider.behave(streams([piece("The Manx is ")], "hang"));
  await page.getByRole("button", { name: "Begin anew" }).click();
  await ask("Tell me of cats");
  await page.locator(".turn-text", { hasText: "The Manx is" }).waitFor();
  assert.is(await page.locator("#chat-button").isVisible(), false);
  await screenshot("chat-writing");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("Cancelled.").waitFor();
  assert.is(await provider.requests.at(-1)?.brokenOff, true);
});

test("An answer that breaks off says so and keeps what was written", async () => {
  provider.behave(streams([piece("The Manx is half")], "cut"));
  await ask("And again?");
  await lastAnswer().locator(".notice.bad").waitFor();
  assert.is(await lastAnswer().locator(".turn-text").textContent(), "The Manx is half");
});

test("Without a model the passages answer, and it is said that they do; hostile text stays text", async () => {
  provider.behave(answerStatus(503));
  await page.getByRole("button", { name: "Begin anew" }).click();
  await ask("xylophone");
  await lastAnswer().getByText("No language model answers").waitFor();
  const source = lastAnswer().locator(".source-item").first();
  assert.is(await source.locator("a").textContent(), "<img src=x onerror=alert(1)>");
  assert.match((await source.locator("a").getAttribute("href")) ?? "", /^\/v1\/collections\/pets\/documents\/evil$/);
  assert.match((await lastAnswer().textContent()) ?? "", "<script>alert(2)</script>");
  assert.is(await page.locator(".turn-answer script, .turn-answer img").count(), 0);
  await screenshot("chat-extractive");
});

test("Chat fits a screen of 360 pixels, and the dark theme", async () => {
  provider.behave(streams(ANSWER));
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto("about:blank");
  await page.goto(`${kennel.url}/#chat`);
  await ask(`Which cat has no tail? ${"Averylongword".repeat(12)}`);
  await settled().waitFor();
  assert.is(await sidewaysOverflow(page), 0);
  await screenshot("chat-phone-dark");
});

test("All of it wrote no error, broke no policy and asked no other origin", () => {
  assert.equal(
    problems.filter((problem) => !problem.includes("503")),
    [],
  );
});

test.run();
