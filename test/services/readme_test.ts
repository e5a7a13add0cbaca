/** Every block of the README that follows `<!-- runs -->` is run, in order, against a server started as the README says. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { assertWorks, commandsOf, documentationLoaded, readmeBlocks, runAsWritten } from "../support/readme_commands.ts";

const blocks = readmeBlocks();
let kennel: KennelProcess;

test.before(async () => {
  kennel = await startKennel();
  await documentationLoaded(kennel.url, kennel.output);
});

test.after(() => kennel.stop());

test("The README shows examples of the command line and of HTTP", () => {
  assert.ok(blocks.length >= 6, `${blocks.length} blocks are run`);
});

for (const command of blocks.flatMap(commandsOf)) {
  test(`The README's example works: ${command.split("\n")[0]?.slice(0, 90)}`, async () => {
    await assertWorks(command, kennel.url);
  });
}

test("The first question is answered from the page of documentation that tells it", async () => {
  const printed = await runAsWritten(
    'npm run --silent kennel -- search kennel "what happens when a retriever crashes?" --json',
    kennel.url,
  );
  const { data } = JSON.parse(printed) as { data: { document_id: string }[] };
  assert.ok(data.some((hit) => hit.document_id === "ARCHITECTURE.md"));
});

test.run();
