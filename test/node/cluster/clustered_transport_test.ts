import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type EncodedAnswer, SEARCH, type SearchRequest } from "../../../actors/retriever/search.ts";
import type { Sent } from "../../../cluster/router/router.ts";
import { clusteredTransport } from "../../../node/cluster/clustered_transport.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { localTransport } from "../../../transport/local.ts";
import { OPEN_SCOPE } from "../../../transport/transport.ts";
import { manualClock } from "../../support/manual_clock.ts";
import { rejects } from "../../transport/transport_contract.ts";

const test = suite("clustered transport");
const never = new AbortController().signal;
const headers = { requestId: "r1", timeoutMs: 1_000, traceparent: null, scope: OPEN_SCOPE };
const request = { collection: "alias" } as SearchRequest;
const answer = { hits: new Uint8Array(1) } as EncodedAnswer;

function routed(flags = { routing: true }) {
  const local = localTransport(manualClock());
  const asked: { collection: string; settle: (sent: Sent<EncodedAnswer>) => void; isCancelled: boolean }[] = [];
  const cluster = {
    query(collection: string, _request: object, _timeoutMs: number, settle: (sent: Sent<EncodedAnswer>) => void) {
      const one = { collection, settle, isCancelled: false };
      asked.push(one);
      return () => {
        one.isCancelled = true;
      };
    },
  };
  return { local, asked, transport: clusteredTransport(local, cluster, () => "docs", flags) };
}

test("A search goes to the cluster under its collection's own name, and its answer or error comes back", async () => {
  const { asked, transport } = routed();
  const first = transport.request(SEARCH, request, headers, never);
  const second = transport.request(SEARCH, request, headers, never);
  assert.equal(
    asked.map(({ collection }) => collection),
    ["docs", "docs"],
  );
  asked[0]?.settle({ kind: "answer", answer });
  asked[1]?.settle({ kind: "error", error: { kind: "refused", cause: kennelError("overloaded") } });
  assert.is(await first, answer);
  await rejects(second, "overloaded");
});

test("With routing switched off each node answers what it is asked, until it is on again", async () => {
  const flags = { routing: false };
  const { local, asked, transport } = routed(flags);
  local.serve(SEARCH, async () => answer);
  assert.is(await transport.request(SEARCH, request, headers, never), answer);
  assert.is(asked.length, 0);
  flags.routing = true;
  const sent = transport.request(SEARCH, request, headers, never);
  asked[0]?.settle({ kind: "answer", answer });
  assert.is(await sent, answer);
});

test("A caller that leaves cancels what the cluster was asked", async () => {
  const { asked, transport } = routed();
  const caller = new AbortController();
  const outcome = rejects(transport.request(SEARCH, request, headers, caller.signal), "cancelled");
  caller.abort();
  await outcome;
  assert.is(asked[0]?.isCancelled, true);
  await rejects(transport.request(SEARCH, request, headers, caller.signal), "cancelled");
  assert.is(asked.length, 1);
});

test("All else stays on the node, and so does an answer that it has ready", async () => {
  const { local, asked, transport } = routed();
  local.serve({ name: "echo" }, async (body) => body);
  local.serve(
    SEARCH,
    async () => answer,
    () => answer,
  );
  assert.equal(await transport.request({ name: "echo" }, { x: 1 }, headers, never), { x: 1 });
  assert.is(transport.ready(SEARCH, request, headers), answer);
  assert.is(asked.length, 0);
});

test.run();
