import { test } from "uvu";
import * as assert from "uvu/assert";
import { startWebhookReceiver } from "../support/webhook_receiver.ts";
import { until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

test("A node posts what its operator should know: the mode that was set, and that it leaves", async () => {
  const receiver = await startWebhookReceiver();
  const told = () => receiver.received.map(({ body }) => `${body.kind} ${body.subject}`);
  try {
    const settings = { KENNEL_ALERT_WEBHOOK_URL: receiver.url, KENNEL_ALERT_WEBHOOK_TOKEN: "canary-7f3a91" };
    await onNode(settings, async ({ caller, node }) => {
      await caller.must("PUT", "/v1/mode", { mode: "lexical" });
      await until("the mode is told of", async () => told().includes("mode_changed lexical"));
      assert.not.match(JSON.stringify(await caller.must("GET", "/v1/status")), "canary-7f3a91");
      const metrics = await (await fetch(`${caller.url}/metrics`)).text();
      assert.match(metrics, 'kennel_alerts_total{kind="mode_changed"} 1');
      await node.stop("scaled in");
    });
    assert.ok(told().includes("draining journey"), told().join());
    assert.is(receiver.received.at(-1)?.headers.authorization, "Bearer canary-7f3a91");
  } finally {
    await receiver.close();
  }
});

test("Kinds that were not asked for are not posted", async () => {
  const receiver = await startWebhookReceiver();
  try {
    await onNode({ KENNEL_ALERT_WEBHOOK_URL: receiver.url, KENNEL_ALERT_KINDS: "draining" }, async ({ caller, node }) => {
      await caller.must("PUT", "/v1/mode", { mode: "lexical" });
      await node.stop("scaled in");
    });
    assert.equal(
      receiver.received.map(({ body }) => body.kind),
      ["draining"],
    );
  } finally {
    await receiver.close();
  }
});

test.run();
