import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Alert } from "../../../actors/alerts/alert.ts";
import { Alerts } from "../../../actors/alerts/alerts.ts";
import type { SupervisionEvent } from "../../../supervisor/child.ts";
import { Redaction } from "../../../telemetry/redaction.ts";
import { manualClock } from "../../support/manual_clock.ts";

const test = suite("Alerts");
const CANARY = "canary-7f3a91";

test("A breaker that opens and closes is two alerts, however often it is tried in between", () => {
  const { happen, told } = start();
  happen("n/store", "suspended", "unavailable: the store is away");
  for (let at = 0; at < 5; at++) {
    happen("n/store", "restarted");
    happen("n/store", "probe_failed");
    happen("n/store", "suspended");
  }
  happen("n/store", "ready");
  happen("n/other", "ready");
  happen("n/other", "escalated", "runs on");
  assert.equal(told(), ["breaker_opened n/store", "breaker_closed n/store", "escalated n/other"]);
});

test("What befalls the actor that tells of alerts is not told", () => {
  const { happen, told } = start();
  happen("n/alert_webhook", "suspended");
  assert.equal(told(), []);
});

test("Memory is told of when it goes above its mark and when it comes back", async () => {
  const { clock, memory, told } = start();
  for (const above of [0, 5_000_000, 9_000_000, 0, 0]) {
    memory.above = above;
    await clock.advance(1_000);
  }
  assert.equal(told(), ["memory_high memory", "memory_normal memory"]);
});

test("No secret and no path is in an alert", () => {
  const { happen, alerts, raised } = start();
  happen(`n/${CANARY}`, "suspended", `internal: open /var/lib/kennel/x at mongodb://u:${CANARY}@h`);
  alerts.raise("draining", "n", CANARY);
  assert.not.match(JSON.stringify(raised), CANARY);
  assert.not.match(JSON.stringify(raised), "/var/lib");
});

test("After its stop nothing is told of and no timer is left", async () => {
  const { alerts, happen, clock, memory, told } = start();
  alerts.stop();
  happen("n/store", "suspended");
  memory.above = 1;
  await clock.advance(60_000);
  assert.equal(told(), []);
  assert.is(clock.pendingTimers, 0);
});

function start() {
  const clock = manualClock();
  const memory = { above: 0 };
  const raised: Alert[] = [];
  const listeners = new Set<(event: SupervisionEvent) => void>();
  const alerts = new Alerts({
    node: "n",
    clock,
    redaction: new Redaction([CANARY]),
    bytesAboveHighWater: () => memory.above,
    memoryCheckMs: 1_000,
    toldBy: "n/alert_webhook",
    count: () => {},
  });
  alerts.listen((alert) => void raised.push(alert));
  alerts.watch({
    recent: () => [],
    report: () => {},
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  const happen = (path: string, event: SupervisionEvent["event"], detail: string | null = null) => {
    for (const listener of listeners) listener({ at: "2026-01-01T00:00:00.000Z", path, event, detail });
  };
  return { clock, memory, raised, alerts, happen, told: () => raised.map(({ kind, subject }) => `${kind} ${subject}`) };
}

test.run();
