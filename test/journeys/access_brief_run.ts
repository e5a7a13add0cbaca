/** Runs the brief matrix on the tree that this file stands in, and prints what it has found as one line of JSON. */
import { onAccessNode, runBriefMatrix, seed } from "./access_rig.ts";
import { runWrites } from "./access_writes.ts";

await onAccessNode(async (rig) => {
  await seed(rig);
  const findings = await runBriefMatrix(rig);
  await runWrites(rig, findings);
  const { leaks, lacks } = findings;
  console.log(JSON.stringify({ leaks: leaks.length, first: leaks[0] ?? null, lacks: lacks.length }));
});
