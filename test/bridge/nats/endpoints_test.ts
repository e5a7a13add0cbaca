import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { endpointSchemas, NATS_ENDPOINTS } from "../../../bridge/nats/endpoints.ts";

test("The schemas of all bodies are converted once, however often they are asked for", () => {
  const convert = z.core.toJSONSchema;
  const first = endpointSchemas();
  const { object, data } = JSON.parse(first) as { readonly object: string; readonly data: readonly { readonly name: string }[] };
  assert.is(object, "list");
  assert.equal(
    data.map(({ name }) => name),
    NATS_ENDPOINTS.map(({ name }) => name),
  );
  // A schema that is made known meanwhile would stand in what is made anew.
  const schema = NATS_ENDPOINTS[0]?.answer as z.ZodType;
  const before = schema.meta();
  z.globalRegistry.add(schema, { ...before, description: "changed meanwhile" });
  try {
    assert.match(JSON.stringify(convert(schema, { unrepresentable: "any" })), "changed meanwhile");
    assert.is(endpointSchemas(), first);
  } finally {
    z.globalRegistry.remove(schema);
    if (before !== undefined) z.globalRegistry.add(schema, before);
  }
});

test.run();
