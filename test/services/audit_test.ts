// Known vulnerabilities of what ships, as the registry tells of them.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { auditDependencies, seriousOnes } from "../../tooling/audit.ts";

test("Nothing that ships has a known serious vulnerability, as far as the registry can be asked", async () => {
  const audit = await auditDependencies(AbortSignal.timeout(180_000));
  if (audit.kind === "unavailable") console.log(`\nKnown vulnerabilities could not be checked: ${audit.why}`);
  else assert.equal(seriousOnes(audit), []);
});

test.run();
