import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Method, Route } from "../../../bridge/http/route.ts";
import { Router } from "../../../bridge/http/router.ts";

const test = suite("router");
const ROUTES = [route("GET", "/v1/things"), route("GET", "/v1/things/{thing}"), route("PUT", "/v1/things/{thing}")];

test("A target that is asked again has the route of its own method, with its own parameters", () => {
  const router = new Router(ROUTES);
  for (let round = 0; round < 2; round++) {
    assert.equal(found(router, "GET", "/v1/things"), ["GET /v1/things", {}]);
    assert.equal(found(router, "GET", "/v1/things/a?x=1"), ["GET /v1/things/{thing}", { thing: "a" }]);
    assert.equal(found(router, "HEAD", "/v1/things/a"), ["GET /v1/things/{thing}", { thing: "a" }]);
    assert.equal(found(router, "PUT", "/v1/things/a"), ["PUT /v1/things/{thing}", { thing: "a" }]);
    assert.equal(found(router, "PUT", "/v1/things/b%2Fc"), ["PUT /v1/things/{thing}", { thing: "b/c" }]);
    assert.is(router.find("DELETE", "/v1/things/a").kind, "other_method");
    assert.is(router.find("GET", "/v1/thing").kind, "unknown");
  }
});

test("More targets than are remembered, and long ones, are found as the first were", () => {
  const router = new Router(ROUTES);
  for (let round = 0; round < 2; round++)
    for (let at = 0; at < 1_500; at++) assert.equal(found(router, "GET", `/v1/things/n${at}`)[1], { thing: `n${at}` });
  const long = "y".repeat(1_000);
  for (let round = 0; round < 2; round++) assert.equal(found(router, "GET", `/v1/things/${long}`)[1], { thing: long });
});

test("What is remembered of targets is bounded, whatever is asked", () => {
  const router = new Router(ROUTES);
  const first = router.find("GET", "/v1/things/a");
  assert.is(router.find("GET", "/v1/things/a"), first, "it is remembered");
  for (let at = 0; at < 600; at++) router.find(at % 2 === 0 ? "GET" : "HEAD", `/v1/things/n${at}`);
  assert.is.not(router.find("GET", "/v1/things/a"), first, "it has made room");
});

function found(router: Router, method: string, target: string) {
  const result = router.find(method, target);
  assert.is(result.kind, "route", `${method} ${target}`);
  return result.kind === "route" ? [`${result.route.method} ${result.route.path}`, result.params] : [];
}

function route(method: Method, path: string): Route {
  const handle = () => ({ status: 204, headers: {}, body: null });
  return { method, path, kind: "work", maxBodyBytes: 0, timeoutMs: 1, description: null, handle };
}

test.run();
