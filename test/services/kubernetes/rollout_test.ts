/**
 * Real controllers replace real nodes while clients ask: the shorter half of `npm run rollout`, whose longer half (lost machines, the autoscaler, a broken
 * release) takes ten minutes. It begins with an older version where the clone has its history; what such a version has left on disk and said on the wire is
 * looked at without one in test/journeys/older_version_test.ts.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkOutOlder, NoOlderVersion, type OlderVersion } from "../../../tooling/older_version.ts";
import { EmbeddedNode } from "./embedded_node.ts";
import { imageOf, KennelDeployment } from "./kennel_deployment.ts";
import { changeVersion, drainMachine, killProcess, PODS, release, rollingUpdate } from "./scenarios.ts";
import { ServiceLoad } from "./service_load.ts";
import { Timeline, type Totals } from "./timeline.ts";
import { formatsOf, OLDER_IMAGE, OLDER_TAG, upgradeEmbedded } from "./upgrade.ts";

const CLIENTS = 6;
const PAUSE_MS = 100;

const CHECKOUT_LIMIT_MS = 300_000;

let cluster: KennelDeployment;
/** Null: the clone has no history. */
let older: OlderVersion | null = null;
let load: ServiceLoad | undefined;
const timeline = new Timeline();
const test = suite("rollout");

/** What clients saw from `before` on. */
function since(before: Totals): Totals {
  const now = timeline.totals;
  return {
    queries: now.queries - before.queries,
    failures: now.failures.slice(before.failures.length),
    refused: now.refused - before.refused,
    broken: now.broken - before.broken,
  };
}

async function findOlder(): Promise<OlderVersion | null> {
  try {
    return await checkOutOlder(null, AbortSignal.timeout(CHECKOUT_LIMIT_MS));
  } catch (thrown) {
    if (!(thrown instanceof NoOlderVersion)) throw thrown;
    console.log(`Nothing is upgraded here: ${thrown.message}`);
    return null;
  }
}

test("The chart's pods start, are ready, and answer through their Service", async () => {
  older = await findOlder();
  cluster = await KennelDeployment.start(older?.folder);
  if (older !== null) cluster.images.set(OLDER_IMAGE, imageOf(older.folder));
  await release(cluster, older === null ? {} : { tag: OLDER_TAG }, "");
  await cluster.untilSettled(PODS);
  const machines = new Set((await cluster.readyPods()).map(({ spec }) => spec.nodeName));
  assert.is(machines.size, PODS, "each on a machine of its own");
  load = new ServiceLoad({
    endpoints: cluster.endpoints,
    key: cluster.key,
    clients: CLIENTS,
    pauseMs: PAUSE_MS,
    isReranked: false,
    nameOf: (address) => cluster.nameOf(address),
    onQuery: (query) => timeline.ended(query),
  });
});

test("An older version is updated, taken back and updated again: this one fails no query, and both read what the other has written", async () => {
  if (older === null) return;
  const before = timeline.totals;
  const { isSharedKept } = await formatsOf(older.folder);
  const tags = isSharedKept ? [undefined, OLDER_TAG, undefined] : [undefined];
  for (const [place, tag] of tags.entries()) {
    const next = () => release(cluster, tag === undefined ? {} : { tag }, "");
    await changeVersion(cluster, next, `update-${place}`, () => undefined);
  }
  const seen = since(before);
  assert.ok(seen.queries > 0);
  // What a pod of the older version has answered is that version's own fault, which no newer one can mend.
  const failures = seen.failures.filter((failure) => !failure.startsWith(OLDER_IMAGE));
  assert.equal([failures, seen.broken], [[], 0]);
  if (seen.failures.length > 0) console.log(`Failed in the older version: ${seen.failures.join("; ")}`);
});

test("A rolling update fails no query and breaks no connection", async () => {
  const before = timeline.totals;
  await rollingUpdate(
    cluster,
    () => release(cluster, { logLevel: "warn" }, ""),
    () => undefined,
  );
  const seen = since(before);
  assert.ok(seen.queries > 0);
  assert.equal([seen.failures, seen.broken], [[], 0]);
});

test("A pod that is evicted fails no query, and no second one goes before it has a successor", async () => {
  const before = timeline.totals;
  assert.is(await drainMachine(cluster, () => undefined), 429);
  const seen = since(before);
  assert.ok(seen.queries > 0);
  assert.equal([seen.failures, seen.broken], [[], 0]);
});

test("A pod whose process is killed fails no query of a client that tries once more", async () => {
  const before = timeline.totals;
  await killProcess(cluster, () => undefined);
  const seen = since(before);
  assert.ok(seen.queries > 0);
  assert.equal(seen.failures, []);
});

test("A StatefulSet's node comes back on its volume with what it held, and with its keys", async () => {
  const node = await EmbeddedNode.start(cluster, "alone");
  const first = await node.untilReady(null);
  await node.must("PUT", "/v1/collections/pets", {});
  await node.add("pets", [{ id: "rex", text: "Rex is a dog" }]);
  await node.deletePod();
  await node.untilReady(first);
  const { data } = await node.must<{ readonly data: readonly { readonly document_id: string }[] }>("POST", "/v1/collections/pets/search", {
    query: "dog",
  });
  assert.equal(
    data.map((hit) => hit.document_id),
    ["rex"],
  );
});

test("A data folder of an older version is opened by this one", async () => {
  if (older !== null) await upgradeEmbedded(cluster, await formatsOf(older.folder));
});

test.after(async () => {
  await load?.end();
  await cluster?.stop();
  await older?.remove();
});

test.run();
