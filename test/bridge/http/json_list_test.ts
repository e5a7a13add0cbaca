import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseJson } from "../../../bridge/http/body.ts";
import { splitJsonList } from "../../../bridge/http/json_list.ts";
import { KennelError } from "../../../runtime/errors.ts";

const test = suite("Long JSON lists");
const MAX_DEPTH = 32;
/** Beyond it a body is split. */
const PADDING = " ".repeat(262_144);

const bytesOf = (text: string) => new TextEncoder().encode(text);
const noPause = () => Promise.resolve();

/** The body with its list put back in. */
async function joined(text: string): Promise<unknown> {
  const { body, items } = await splitJsonList(bytesOf(text), MAX_DEPTH, noPause);
  if (items === null) return body;
  const [field] = Object.entries(body as object).find(([, value]) => Array.isArray(value)) ?? [""];
  return { ...(body as object), [field]: items.map((item) => parseJson(item, MAX_DEPTH, "")) };
}

test("A body that is split holds what it holds when it is parsed whole", async () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  const body = fc.oneof(
    fc.record({ documents: fc.array(value) }),
    fc.dictionary(fc.string(), value),
    fc.record({ a: value, documents: fc.array(value), b: value }),
    value,
  );
  await fc.assert(
    fc.asyncProperty(body, fc.constantFrom(0, 1, 2), async (given, indent) => {
      const text = JSON.stringify(given, null, indent);
      assert.equal(await joined(PADDING + text), JSON.parse(text));
      assert.equal(await joined(text + PADDING), JSON.parse(text));
    }),
    { numRuns: 200 },
  );
});

test("The items of a long list come out one by one, brackets and commas in strings included", async () => {
  const documents = [{ id: "],[" }, { id: '"}\\' }, "a,b", [1, [2]], {}];
  const { items } = await splitJsonList(bytesOf(`{"documents": ${JSON.stringify(documents)}}${PADDING}`), MAX_DEPTH, noPause);
  assert.equal(
    items?.map((item) => parseJson(item, MAX_DEPTH, "")),
    documents,
  );
});

test("A long list that is no JSON is refused, wherever the fault is", async () => {
  for (const text of [
    '{"documents":[1,]}',
    '{"documents":[,1]}',
    '{"documents":[1 2]}',
    '{"documents":[1}',
    '{"documents":[1]',
    '{"documents":[1]}]',
    '{"documents":["]}',
  ]) {
    try {
      await joined(PADDING + text);
      assert.unreachable(`${text} was taken`);
    } catch (thrown) {
      assert.ok(thrown instanceof KennelError, text);
      assert.is(thrown.code, "invalid_request", text);
    }
  }
});

test("A long list nested too deep is refused before it is parsed", async () => {
  const deep = `{"documents":[${"[".repeat(100_000)}]}${PADDING}`;
  const refused = await splitJsonList(bytesOf(deep), MAX_DEPTH, noPause).catch((thrown: unknown) => thrown);
  assert.match(String(refused), "nested deeper than 32 levels");
});

test("Looking through a long list pauses on the way, and ends when the pause rejects", async () => {
  const text = `{"documents":[${PADDING.repeat(4)}]}`;
  let pauses = 0;
  const counted = async () => {
    pauses += 1;
  };
  await splitJsonList(bytesOf(text), MAX_DEPTH, counted);
  assert.is(pauses, 4);
  const ended = await splitJsonList(bytesOf(text), MAX_DEPTH, () => Promise.reject("late")).catch((reason: unknown) => reason);
  assert.is(ended, "late");
});

test.run();
