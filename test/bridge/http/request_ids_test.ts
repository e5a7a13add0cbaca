import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RequestIds } from "../../../bridge/http/request_ids.ts";
import type { HttpRequest } from "../../../runtime/http_message.ts";
import { seededRandom } from "../../../runtime/random.ts";

const test = suite("request ids");

test("A new id is two words of 32 random bits in hexadecimal, zeros included", () => {
  for (const [first, second, id] of [
    [0, 0, "req_0000000000000000"],
    [0.999999999999, 0.5, "req_ffffffff80000000"],
    [0x0123_4567 / 2 ** 32, 0x89ab_cdef / 2 ** 32, "req_0123456789abcdef"],
  ] as const) {
    const draws = [first, second];
    assert.is(new RequestIds({ next: () => draws.shift() ?? 0 }).of(asking(null)), id);
  }
  const [ids, random] = [new RequestIds(seededRandom(7)), seededRandom(7)];
  const word = () => Math.floor(random.next() * 2 ** 32).toString(16).padStart(8, "0"); // biome-ignore format: one thought
  for (let time = 0; time < 1_000; time++) assert.is(ids.of(asking(null)), `req_${word()}${word()}`);
});

test("A caller's own id stays where it is well formed and no key", () => {
  const ids = new RequestIds(seededRandom(1));
  assert.is(ids.of(asking("order:17.a_B-c")), "order:17.a_B-c");
  for (const bad of ["", "a b", "x".repeat(129), "kennel_0123456789ab_secret", "é"])
    assert.match(ids.of(asking(bad)), /^req_[0-9a-f]{16}$/);
});

function asking(id: string | null): HttpRequest {
  return { headers: { get: (name: string) => (name === "x-request-id" ? id : null), has: () => id !== null } } as unknown as HttpRequest;
}

test.run();
