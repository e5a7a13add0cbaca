import { createAccount, createCurve, createServer, createUser, encodeAuthorizationResponse } from "@nats-io/jwt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openQuestion, SealingError } from "../../../bridge/nats/callout_encryption.ts";

const from = (key: string) => ({ get: (name: string) => (name === "Nats-Server-Xkey" ? key : "") });

/** What it throws, which must tell of nothing that was asked. */
function whyNot(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    assert.instance(thrown, SealingError);
    return (thrown as Error).message;
  }
  return "it was opened";
}

test("A question in the clear comes as it is, and its answer goes so", () => {
  for (const key of [null, createCurve()]) {
    const { question, isSealed, seal } = openQuestion({ data: new TextEncoder().encode("asked") }, key);
    assert.equal([question, isSealed, new TextDecoder().decode(seal("answered"))], ["asked", false, "answered"]);
  }
});

test("A sealed question is opened by the key it is for alone, whole, and from the server that it names", async () => {
  const [node, server, stranger] = [createCurve(), createCurve(), createCurve()];
  // A token of NATS that names no server's key.
  const token = await encodeAuthorizationResponse(
    createUser().getPublicKey(),
    createServer().getPublicKey(),
    createAccount(),
    { error: "x" },
    {},
  );
  const data = server.seal(new TextEncoder().encode(token), node.getPublicKey());
  const headers = from(server.getPublicKey());
  const changed = data.slice();
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  for (const [question, key, why] of [
    [{ data, headers }, null, "is not set"],
    [{ data, headers }, stranger, "for another key"],
    [{ data: changed, headers }, node, "for another key"],
    [{ data: data.slice(0, 20), headers }, node, "for another key"],
    [{ data: new Uint8Array(0), headers }, node, "for another key"],
    [{ data: new TextEncoder().encode(token), headers }, node, "for another key"],
    [{ data, headers: from(stranger.getPublicKey()) }, node, "for another key"],
    [{ data, headers: from("X") }, node, "for another key"],
    [{ data, headers }, node, "by another than the server"],
  ] as const)
    assert.match(
      whyNot(() => openQuestion(question, key)),
      why,
    );
});

test.run();
