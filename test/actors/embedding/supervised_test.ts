import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EmbeddingModel } from "../../../actors/embedding/embedding.ts";
import { superviseEmbeddingModel } from "../../../actors/embedding/supervised.ts";
import type { CallOptions, Service } from "../../../supervisor/service.ts";
import { scriptedModel } from "./scripted_model.ts";

const test = suite("supervised embedding model");

test("A supervised embedding model passes texts and purpose through the service, with the call's own signal and limit", async () => {
  const model = scriptedModel({ maxBatch: 4 });
  const inner = new AbortController();
  const seen: CallOptions[] = [];
  const service: Service<EmbeddingModel> = {
    name: "embedding",
    isAvailable: true,
    breaker: "closed",
    refusal: null,
    call(work, options) {
      seen.push(options);
      return work(model, inner.signal);
    },
    whenReady: async () => undefined,
    stop: async () => undefined,
  };
  const port = superviseEmbeddingModel(service, model, 700);
  assert.equal([port.name, port.dimensions, port.maxBatch], ["scripted", 1, 4]);
  const outer = new AbortController();
  const answer = port.embed(["abc"], "document", outer.signal);
  const [call] = model.calls;
  assert.equal([call?.texts, call?.purpose], [["abc"], "document"]);
  assert.is(call?.signal, inner.signal);
  assert.is(seen[0]?.timeoutMs, 700);
  assert.is(seen[0]?.signal, outer.signal);
  call?.answer();
  assert.equal(await answer, [Float32Array.of(3)]);
});

test.run();
