import { suite } from "uvu";
import * as assert from "uvu/assert";
import { endAll } from "../../node/endings.ts";

const test = suite("what a node takes down");

test("What was built last is taken down first, and one that fails keeps none of the others from it", async () => {
  const seen: string[] = [];
  const endings = [
    (reason: string) => seen.push(`lock ${reason}`),
    async () => {
      throw new Error("away");
    },
    async () => void seen.push("listener"),
    () => {
      throw new Error("broken");
    },
  ];
  await endAll(endings, "stopped", (thrown) => seen.push((thrown as Error).message));
  assert.equal(seen, ["broken", "listener", "away", "lock stopped"]);
});

test.run();
