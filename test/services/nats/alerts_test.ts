import { suite } from "uvu";
import * as assert from "uvu/assert";
import { onNode } from "../../journeys/node_rig.ts";
import { openLink, startServers, until } from "./nats_rig.ts";

const test = suite("alerts over NATS");

test("Who listens on NATS hears of a node's alerts, and no secret of it", async () => {
  const { servers, stop } = await startServers();
  const listener = openLink(servers);
  try {
    await until("the listener is connected", () => listener.link.isConnected);
    const heard: { readonly subject: string; readonly body: Record<string, string> }[] = [];
    listener.link.client?.subscribe("kennel.v1.events.alerts.>", {
      callback: (_error, message) => void heard.push({ subject: message.subject, body: message.json() }),
    });
    await listener.link.client?.flush();
    const settings = { KENNEL_NATS_URL: servers.map(({ url }) => url).join(","), KENNEL_ALERT_WEBHOOK_TOKEN: "canary-7f3a91" };
    await onNode(settings, async ({ caller }) => {
      await until("the node is connected", async () => {
        const { nats } = await caller.must<{ readonly nats: { readonly state: string } }>("GET", "/v1/status");
        return nats.state === "connected";
      });
      await caller.must("PUT", "/v1/mode", { mode: "lexical" });
      await until("the mode is heard of", () => heard.length > 0);
    });
    const [alert] = heard;
    assert.is(alert?.subject, "kennel.v1.events.alerts.mode_changed");
    assert.is(alert?.body.subject, "lexical");
    assert.is(alert?.body.node, "journey");
    assert.not.match(JSON.stringify(heard), "canary-7f3a91");
  } finally {
    await listener.close();
    await stop();
  }
});

test.run();
