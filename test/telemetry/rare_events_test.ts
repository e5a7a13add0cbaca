import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Logger } from "../../telemetry/logs.ts";
import { rareEvents } from "../../telemetry/rare_events.ts";
import { manualClock } from "../support/manual_clock.ts";

const test = suite("rare events");

test("A rare event is told at once, then once a minute at most with how often it has been, and counted each time", async () => {
  const clock = manualClock();
  const counted: string[] = [];
  const lines: unknown[] = [];
  const logger = { warn: (details: object, sentence: string) => void lines.push({ ...details, sentence }) } as unknown as Logger;
  const note = rareEvents({ late: "it was late" }, (event) => void counted.push(event), logger, clock);
  for (let at = 0; at < 5; at++) note("late");
  note("other");
  note("toString");
  assert.equal(lines, [{ event: "late", times: 1, sentence: "it was late" }]);
  await clock.advance(60_000);
  note("late");
  note("late");
  assert.equal(lines.slice(1), [{ event: "late", times: 5, sentence: "it was late" }]);
  assert.is(counted.length, 9);
});

test.run();
