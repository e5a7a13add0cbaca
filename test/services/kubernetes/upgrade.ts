/** What an older version has written, and whether it can have it back. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { SCHEMA_VERSION } from "../../../actors/document_store/libsql/schema.ts";
import { FORMAT_VERSION } from "../../../actors/document_store/mongodb/schema.ts";
import { EmbeddedNode } from "./embedded_node.ts";
import type { KennelDeployment } from "./kennel_deployment.ts";

export const OLDER_TAG = "older";
export const OLDER_IMAGE = `kennel:${OLDER_TAG}`;

/** Whether a version opens again what this one has opened: the numbers of its formats are this one's. */
export interface Formats {
  readonly isSharedKept: boolean;
  readonly isEmbeddedKept: boolean;
}

/** @param tree the older version's sources, with their packages */
export async function formatsOf(tree: string): Promise<Formats> {
  const read = async (path: string) => (await import(pathToFileURL(join(tree, path)).href)) as Readonly<Record<string, unknown>>;
  const shared = (await read("actors/document_store/mongodb/schema.ts")).FORMAT_VERSION;
  const embedded = (await read("actors/document_store/libsql/schema.ts")).SCHEMA_VERSION;
  return { isSharedKept: shared === FORMAT_VERSION, isEmbeddedKept: embedded === SCHEMA_VERSION };
}

const COLLECTION = "pets";

/**
 * The embedded overlay's StatefulSet: a folder that the older version has written is opened by this one, whose documents it takes, and goes back where
 * formats allow it.
 * @returns what was done, for the record
 */
export async function upgradeEmbedded(cluster: KennelDeployment, { isEmbeddedKept }: Formats): Promise<string> {
  const node = await EmbeddedNode.start(cluster, "upgraded", [`image.tag=${OLDER_TAG}`]);
  await node.must("PUT", `/v1/collections/${COLLECTION}`, { attributes: { year: "number" } });
  await node.add(COLLECTION, [
    { id: "rex", text: "Rex is a dog that barks", attributes: { year: 2021 } },
    { id: "tom", text: "Tom is a cat that sleeps", attributes: { year: 2023 } },
  ]);
  await expect(node, ["rex", "tom"]);
  await change(node, []);
  await expect(node, ["rex", "tom"]);
  await node.add(COLLECTION, [{ id: "kim", text: "Kim is a dog, too" }]);
  await expect(node, ["kim", "rex", "tom"]);
  if (isEmbeddedKept) await goBackAndForth(node);
  await node.remove();
  return isEmbeddedKept
    ? "a folder that it has written was opened by this one, by it again, and by this one again"
    : "a folder that it has written was opened by this one, which has brought its format forward: there is no way back";
}

async function goBackAndForth(node: EmbeddedNode): Promise<void> {
  for (const set of [[`image.tag=${OLDER_TAG}`], []]) {
    await change(node, set);
    await expect(node, ["kim", "rex", "tom"]);
  }
}

async function change(node: EmbeddedNode, set: readonly string[]): Promise<void> {
  const before = await node.untilReady(null);
  await node.deploy(set);
  await node.untilReady(before);
}

async function expect(node: EmbeddedNode, ids: readonly string[]): Promise<void> {
  const body = { query: "dog or cat", strategy: "vector", top_k: 10 };
  const { data } = await node.must<{ readonly data: readonly { readonly document_id: string }[] }>(
    "POST",
    `/v1/collections/${COLLECTION}/search`,
    body,
  );
  const found = [...new Set(data.map((hit) => hit.document_id))].sort();
  if (found.join() !== ids.join()) throw new Error(`Found ${found.join()}, not ${ids.join()}`);
}
