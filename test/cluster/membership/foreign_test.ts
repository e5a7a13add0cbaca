import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Strangers } from "../../../cluster/membership/foreign.ts";
import { MEMBERSHIP_LIMITS } from "../../../cluster/membership/member.ts";
import { beatOf } from "../beats.ts";

const test = suite("nodes with other stores");
const { deadAfterMs, heartbeatMs, lagFactor } = MEMBERSHIP_LIMITS;

test("One that digests go on telling of after it has gone is no newcomer each time", () => {
  const strangers = new Strangers(deadAfterMs);
  const last = beatOf("stranger", 7, { stores: "others", lagMs: 1_000 });
  const untilMs = deadAfterMs + lagFactor * last.lagMs; // as long as its own cluster takes it for alive
  let news = 0;
  for (let nowMs = 0; nowMs < untilMs; nowMs += heartbeatMs) {
    if (strangers.hear(last, nowMs, nowMs)) news += 1;
    const isKnown = strangers.earliest(nowMs) !== null;
    assert.is(isKnown, nowMs < deadAfterMs, String(nowMs));
  }
  assert.is(news, 1);
});

test("One that does not hear digests is known for as long as it is heard, and then not any more", () => {
  const strangers = new Strangers(deadAfterMs);
  strangers.hear(beatOf("stranger", 1, { stores: "others", wire: 1 }), 0, 0);
  assert.not.ok(strangers.allHearDigests);
  strangers.earliest(deadAfterMs - 1);
  assert.not.ok(strangers.allHearDigests);
  strangers.earliest(deadAfterMs);
  assert.ok(strangers.allHearDigests);
});

test.run();
