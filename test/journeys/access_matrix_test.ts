/** Who asks or writes, what, how and in which state of the caches: nobody is told of, or ends, a document that is not for them. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { noteAccessRun, runtimeOfThis } from "../../tooling/access_matrix.ts";
import { onAccessNode, runMatrix, seed } from "./access_rig.ts";
import { runOwnWrites, runWrites } from "./access_writes.ts";

test("No caller, by no way, in no mode and out of no cache is told of what is not for them, and each of what is", async () => {
  await onAccessNode(async (rig) => {
    await seed(rig);
    const findings = await runMatrix(rig);
    await runWrites(rig, findings);
    await runOwnWrites(rig, findings);
    assert.equal(findings.leaks.slice(0, 20), [], `${findings.leaks.length} leaks`);
    assert.equal(findings.lacks.slice(0, 20), [], `${findings.lacks.length} answers lack what they should have`);
    noteAccessRun({ kind: "matrix", transport: "HTTP", runtime: runtimeOfThis(), rows: findings.rows, leaks: 0 });
  });
});

test.run();
