import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createWebhook, type DeliveryOutcome, type WebhookOptions } from "../../../actors/alerts/webhook.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { until } from "../../journeys/caller.ts";
import { startSupervisor, testLimits } from "../../support/supervision.ts";
import { startWebhookReceiver, type WebhookReceiver } from "../../support/webhook_receiver.ts";

const test = suite("Webhook of alerts");

test("An alert is posted as JSON with a sentence for people, in order, with the token and nothing else of this node", () =>
  withWebhook({ token: "t0ken" }, async ({ receiver, raise, outcomes }) => {
    raise("one");
    raise("two");
    await until("both came", async () => outcomes.length === 2);
    const [first, second] = receiver.received;
    assert.equal(first?.body, {
      object: "alert",
      kind: "breaker_opened",
      at: "2026-01-01T00:00:00.000Z",
      node: "n",
      subject: "one",
      detail: "Because",
      text: "Kennel n: breaker opened: one. Because",
    });
    assert.is(first?.headers.authorization, "Bearer t0ken");
    assert.is(second?.body.subject, "two");
    assert.equal(outcomes, ["delivered", "delivered"]);
  }));

test("What may be taken later is tried again, and the others wait their turn", () =>
  withWebhook({}, async ({ receiver, raise, outcomes }) => {
    receiver.answers.push(503, null, 429, 408, 200);
    raise("one");
    raise("two");
    await until("both came", async () => outcomes.length === 2);
    assert.equal(
      receiver.received.map(({ body }) => body.subject),
      ["one", "one", "one", "one", "one", "two"],
    );
  }));

test("What is refused is not sent again, and a redirect is not followed", () =>
  withWebhook({}, async ({ receiver, raise, outcomes }) => {
    receiver.answers.push(400, 302);
    raise("one");
    raise("two");
    raise("three");
    await until("all have an outcome", async () => outcomes.length === 3);
    assert.equal(outcomes, ["refused", "refused", "delivered"]);
    assert.is(receiver.received.length, 3);
  }));

test("After so many attempts an alert is given up, and the next one goes out", () =>
  withWebhook({ maxAttempts: 3 }, async ({ receiver, raise, outcomes }) => {
    receiver.answers.push(500, 500, 500);
    raise("one");
    raise("two");
    await until("both have an outcome", async () => outcomes.length === 2);
    assert.equal(outcomes, ["given_up", "delivered"]);
  }));

test("Of too many that wait the oldest go and are counted, not the one that is being sent", () =>
  withWebhook({ maxWaiting: 3 }, async ({ receiver, raise, outcomes }) => {
    const release = receiver.hold();
    raise("a0");
    await until("the first is being sent", async () => receiver.received.length === 1);
    for (let at = 1; at <= 6; at++) raise(`a${at}`);
    await until("four are dropped", async () => outcomes.length === 4);
    release();
    await until("all have an outcome", async () => outcomes.length === 7);
    assert.equal(outcomes, ["dropped", "dropped", "dropped", "dropped", "delivered", "delivered", "delivered"]);
    assert.equal(
      receiver.received.map(({ body }) => body.subject),
      ["a0", "a5", "a6"],
    );
  }));

test("What waits outlives a crash of the actor", () =>
  withWebhook({ maxAttempts: 100_000 }, async ({ receiver, raise, outcomes, actor }) => {
    receiver.answers.push(...Array.from({ length: 100_000 }, () => 500));
    raise("one");
    await until("an attempt has failed", async () => receiver.received.length >= 1);
    actor.tell({ kind: "sent", outcome: null as never }); // no message of its kind: the handler throws
    await until("another incarnation has it", async () => actor.status().incarnation >= 2);
    receiver.answers.length = 0;
    await until("it came", async () => outcomes.includes("delivered"));
  }));

interface Rig {
  readonly receiver: WebhookReceiver;
  readonly raise: (subject: string) => void;
  readonly outcomes: readonly DeliveryOutcome[];
  readonly actor: ReturnType<typeof spawn>;
}

function spawn(options: WebhookOptions) {
  const { supervisor } = startSupervisor({ clock: systemClock() });
  const webhook = createWebhook(options);
  const limits = testLimits({ mailboxCapacity: 100, backoffMs: 10, maxBackoffMs: 20 });
  const actor = supervisor.spawn({ name: "alert_webhook", kind: "alert_webhook", limits, ...webhook });
  return Object.assign(actor, { end: () => supervisor.stop({ reason: "the test has ended", limitMs: 5_000 }) });
}

async function withWebhook(differs: Partial<WebhookOptions>, body: (rig: Rig) => Promise<void>) {
  const receiver = await startWebhookReceiver();
  const outcomes: DeliveryOutcome[] = [];
  const actor = spawn({
    url: receiver.url,
    token: "",
    maxWaiting: 100,
    maxAttempts: 10,
    backoffMs: 5,
    maxBackoffMs: 10,
    timeoutMs: 10_000,
    clock: systemClock(),
    random: seededRandom(3),
    ...differs,
    count: (outcome) => void outcomes.push(outcome),
  });
  const raise = (subject: string) => {
    const alert = { kind: "breaker_opened", at: "2026-01-01T00:00:00.000Z", node: "n", subject, detail: "Because" } as const;
    assert.ok(actor.tell({ kind: "alert", alert }));
  };
  try {
    await actor.whenReady(AbortSignal.timeout(10_000));
    await body({ receiver, raise, outcomes, actor });
  } finally {
    await actor.end();
    await receiver.close();
  }
}

test.run();
