import { existsSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const ROOT = new URL("../../", import.meta.url);
const test = suite("table of a cluster's faults");
const table = readFileSync(new URL("test/services/cluster/FAULTS.md", ROOT), "utf8");
const rows = table.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| fault "));

test("Each fault names a test that shows it, and each test that is named exists", () => {
  assert.ok(rows.length >= 10);
  for (const row of rows) {
    const shown = row.split(" | ").at(-1) ?? "";
    const named = [...shown.matchAll(/`(test\/[^`]+\.ts)`: ((?:"[^"]+"(?:, )?)+)/g)];
    assert.ok(named.length > 0, row);
    for (const [, file = "", titles = ""] of named) {
      assert.ok(existsSync(new URL(file, ROOT)), file);
      const text = readFileSync(new URL(file, ROOT), "utf8");
      for (const [, title = ""] of titles.matchAll(/"([^"]+)"/g)) assert.ok(text.includes(`test("${title}"`), `${file}: ${title}`);
    }
  }
});

test("Each counter is one that is counted somewhere", () => {
  const files = [
    "cluster/node.ts",
    "cluster/ports.ts",
    "cluster/nats/network.ts",
    "cluster/membership/membership.ts",
    "bridge/nats/replies.ts",
  ];
  const all = [...files, "bridge/nats/nats_bridge.ts", "transport/nats/link.ts", "transport/nats/asking.ts", "transport/nats/answering.ts"];
  const code = all.map((file) => readFileSync(new URL(file, ROOT), "utf8")).join("\n");
  for (const row of rows) {
    const counters = row.split(" | ")[2] ?? "";
    for (const [, counter = ""] of counters.matchAll(/`(\w+)`/g)) {
      const isCounted = code.includes(`"${counter}"`) || (counter.startsWith("malformed_") && code.includes("malformed_$"));
      assert.ok(isCounted, counter);
    }
  }
});

test.run();
