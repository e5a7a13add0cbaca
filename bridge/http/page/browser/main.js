/**
 * The page's composition root: builds its parts, hands them what they need, starts them.
 * @import { View } from "./address.js"
 * @import { Failure } from "../wire.ts"
 */
import { readView } from "./address.js";
import { createApi, toFailure } from "./api.js";
import { createAsk } from "./ask.js";
import { createChat } from "./chat.js";
import { byId } from "./element.js";
import { createEvaluate } from "./evaluate.js";
import { askForKey } from "./key.js";
import { createLatencyView } from "./latency_view.js";
import { createMemory } from "./memory.js";
import { browserEnvironment, createPoller } from "./poller.js";
import { createStatusView } from "./status_view.js";
import { installTheme } from "./theme.js";
import { installViews } from "./views.js";

const KEY_STORED_AS = "kennel-key";
const STATUS_INTERVAL_MS = 1000;
const METRICS_INTERVAL_MS = 2000;
const MAX_INTERVAL_MS = 30_000;

function startPage() {
  const tabMemory = createMemory(() => sessionStorage);
  const memory = createMemory(() => localStorage);
  const environment = browserEnvironment();
  const api = createApi({ fetch: fetch.bind(globalThis), nowMs: () => performance.now(), key: () => tabMemory.read(KEY_STORED_AS) });

  const statusView = createStatusView();
  const latencyView = createLatencyView();
  /** @param {Failure} failure */
  function onFailure(failure) {
    if (failure.code !== "unauthorized") return;
    askForKey(byId("key-place", HTMLElement), (key) => {
      tabMemory.write(KEY_STORED_AS, key === "" ? null : key);
      void ask.start();
      statusPoller.askNow();
      metricsPoller.askNow();
    });
  }
  const chat = createChat({ api, memory, onFailure });
  const evaluate = createEvaluate({ api, memory, onFailure });
  const ask = createAsk({
    api,
    memory,
    onFailure,
    onCollections(collections) {
      chat.showCollections(collections);
      evaluate.showCollections(collections);
      evaluate.setVisible(readView(location.hash) === "evaluate");
    },
  });

  const statusPoller = createPoller({
    ask: (signal) => api.status(signal),
    onAnswer(status) {
      statusView.showStatus(status, Date.now());
      latencyView.addMode(status.mode, Date.now());
      ask.lookAgain();
    },
    onFailure(thrown, nextInMs) {
      const failure = toFailure(thrown);
      statusView.showFailure(failure, nextInMs);
      latencyView.addFailure(failure, Date.now());
    },
    intervalMs: STATUS_INTERVAL_MS,
    maxIntervalMs: MAX_INTERVAL_MS,
    environment,
  });
  const metricsPoller = createPoller({
    ask: (signal) => api.metrics(signal),
    onAnswer: (text) => latencyView.addMetrics(text, performance.now(), Date.now()),
    onFailure: () => latencyView.breakLine(),
    intervalMs: METRICS_INTERVAL_MS,
    maxIntervalMs: MAX_INTERVAL_MS,
    environment,
  });

  /** @param {View} view */
  function onView(view) {
    latencyView.setVisible(view === "latency");
    evaluate.setVisible(view === "evaluate");
  }

  installTheme(byId("theme", HTMLButtonElement), memory, () => latencyView.recolor());
  installViews({ onQuestionKey: () => ask.focus(), onView });
  statusPoller.start();
  metricsPoller.start();
  void ask.start();
}

startPage();
