import { existsSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { childOf, processorMs } from "../../../bench/harness/processor_time.ts";

const processor = suite("bench processor time");
const HAS_PROC = existsSync("/proc/self/stat");

processor("Processor time of a process is what the process itself counts, and not a number where there is none", () => {
  const { user, system } = process.cpuUsage();
  const read = processorMs(process.pid);
  // The kernel counts in steps of 10 ms, for user and system apart.
  if (HAS_PROC) assert.ok(read >= (user + system) / 1_000 - 20, `${read} ms read, ${(user + system) / 1_000} ms counted`);
  else assert.ok(Number.isNaN(read));
  assert.ok(Number.isNaN(processorMs(2 ** 30)));
  assert.is(childOf(2 ** 30), -1);
});

processor.run();
