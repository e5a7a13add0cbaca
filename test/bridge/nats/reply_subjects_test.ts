import type { Msg, NatsConnection, SubscriptionOptions } from "nats";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { answeringSafely, mayAnswerTo } from "../../../bridge/nats/reply_subjects.ts";

test("Answers go to inboxes under any prefix, and to nothing that NATS or Kennel serves", () => {
  for (const reply of ["_INBOX.a.b", "_INBOX_team.a.1", "answers.of.mine", "_R_.x", "kennel.v10.x"])
    assert.ok(mayAnswerTo(reply, false), reply);
  const foreign = ["$JS.API.STREAM.PURGE.X", "$KV.kennel_config.mode", "$SYS.REQ.USER.AUTH", "$SRV.PING", "kennel.v1.node.a.search"];
  for (const reply of foreign) assert.not(mayAnswerTo(reply, false), reply);
  assert.ok(mayAnswerTo("_INBOX.0123456789ab.x", true));
  for (const reply of [...foreign, "orders.new", "_INBOX_team.a.1", "_INBOX", ">"]) assert.not(mayAnswerTo(reply, true), reply);
});

test("What a service subscribes to gets no message with a foreign reply subject, and the connection is otherwise the same", () => {
  // A connection that hands over what it was given, without a server.
  let given: SubscriptionOptions = {};
  const client = {
    isClosed: () => false,
    subscribe(_subject: string, options: SubscriptionOptions) {
      given = options;
    },
  } as unknown as NatsConnection;
  let dropped = 0;
  const taken: string[] = [];
  const safe = answeringSafely(client, false, () => dropped++);
  safe.subscribe("kennel.v1.search", { queue: "kennel", callback: (_error, { reply }) => taken.push(reply ?? "none") });
  for (const reply of ["_INBOX.a", "$KV.a.b", undefined, "kennel.v1.events.x"]) given.callback?.(null, { reply } as Msg);
  assert.equal(taken, ["_INBOX.a", "none"]);
  assert.is(dropped, 2);
  assert.is(given.queue, "kennel");
  assert.is(safe.isClosed(), false);
  assert.throws(() => safe.subscribe("kennel.v1.search"), /callback/);
});

test.run();
