import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createPoller, pauseMs } from "../../../../bridge/http/page/browser/poller.js";

const test = suite("page poller");

/** A browser in which nothing happens by itself. */
function manualBrowser() {
  let due: { run: () => void; delayMs: number } | null = null;
  let hidden = false;
  let onVisibility = () => {};
  return {
    environment: {
      schedule(run: () => void, delayMs: number) {
        const own = { run, delayMs };
        due = own;
        return () => {
          if (due === own) due = null;
        };
      },
      isHidden: () => hidden,
      onVisibility: (run: () => void) => {
        onVisibility = run;
      },
    },
    /** The pause that is running; null: nothing is planned. */
    get dueInMs() {
      return due?.delayMs ?? null;
    },
    async fire() {
      const run = due?.run;
      due = null;
      run?.();
      await settled();
    },
    hide(isHidden: boolean) {
      hidden = isHidden;
      onVisibility();
    },
  };
}

/** Lets promise reactions that are due run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

function startPoller(ask: (signal: AbortSignal) => Promise<string>) {
  const browser = manualBrowser();
  const answers: string[] = [];
  const pauses: number[] = [];
  const poller = createPoller({
    ask,
    onAnswer: (value) => answers.push(value),
    onFailure: (_, nextInMs) => pauses.push(nextInMs),
    intervalMs: 1000,
    maxIntervalMs: 8000,
    environment: browser.environment,
  });
  poller.start();
  return { browser, poller, answers, pauses };
}

test("The poller asks at once and then every interval", async () => {
  const { browser, answers } = startPoller(async () => "up");
  assert.is(browser.dueInMs, 0);
  await browser.fire();
  assert.is(browser.dueInMs, 1000);
  await browser.fire();
  assert.equal(answers, ["up", "up"]);
});

test("The poller doubles its pause with each failure up to the cap, and recovers with one answer", async () => {
  let isUp = false;
  const { browser, pauses } = startPoller(async () => {
    if (!isUp) throw new Error("down");
    return "up";
  });
  for (let turn = 0; turn < 5; turn++) await browser.fire();
  assert.equal(pauses, [2000, 4000, 8000, 8000, 8000]);
  isUp = true;
  await browser.fire();
  assert.is(browser.dueInMs, 1000);
});

test("The poller is silent while its tab is hidden, gives up the question under way, and asks at once when shown", async () => {
  const signals: AbortSignal[] = [];
  const { browser, pauses } = startPoller(
    (signal) =>
      new Promise((_, reject) => {
        signals.push(signal);
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  );
  await browser.fire();
  browser.hide(true);
  await settled();
  assert.is(signals[0]?.aborted, true);
  assert.is(browser.dueInMs, null);
  assert.equal(pauses, [], "a question that was given up is no failure");
  browser.hide(false);
  assert.is(browser.dueInMs, 0);
});

test("The poller never has two questions under way", async () => {
  let asked = 0;
  const { browser, poller } = startPoller(() => {
    asked++;
    return new Promise(() => {});
  });
  await browser.fire();
  poller.askNow();
  browser.hide(false);
  assert.is(browser.dueInMs, null);
  assert.is(asked, 1);
});

test("A poller that was stopped plans nothing, even from within its own answer", async () => {
  const browser = manualBrowser();
  const poller = createPoller({
    ask: async () => "up",
    onAnswer: () => poller.stop(),
    onFailure: () => {},
    intervalMs: 1000,
    maxIntervalMs: 8000,
    environment: browser.environment,
  });
  poller.start();
  await browser.fire();
  browser.hide(false);
  assert.is(browser.dueInMs, null);
});

test("The pause stays finite after any number of failures", () => {
  assert.is(pauseMs(10_000, 1000, 30_000), 30_000);
});

test.run();
