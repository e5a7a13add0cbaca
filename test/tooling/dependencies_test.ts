import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seriousOnes, toAudit } from "../../tooling/audit.ts";
import { dependencyList, isException, isPermissive, lockedPackages } from "../../tooling/dependency_list.ts";

const test = suite("dependencies");

test("Everything that ships has a permissive licence, or a reason", () => {
  const shipped = lockedPackages().filter(({ isShipped }) => isShipped);
  assert.ok(shipped.length > 100, `${shipped.length} packages`);
  const others = shipped.filter(({ licence }) => !isPermissive(licence)).filter(({ name }) => !isException(name));
  assert.equal(
    others.map(({ name, licence }) => `${name}: ${licence}`),
    [],
  );
});

test("A licence is judged by what it lets one choose, and by all that it asks for together", () => {
  for (const licence of ["MIT", "(MIT OR GPL-3.0)", "Apache-2.0 AND MIT"]) assert.ok(isPermissive(licence), licence);
  for (const licence of [null, "GPL-3.0", "MIT AND GPL-3.0", "UNLICENSED", "SEE LICENSE IN LICENSE.md"])
    assert.not(isPermissive(licence), String(licence));
});

test("Each direct dependency is listed with a reason", () => {
  const rows = dependencyList()
    .split("\n")
    .filter((line) => /^\| `/.test(line));
  assert.ok(rows.length > 40);
  assert.equal(
    rows.filter((row) => /\| {2}\|$|unknown/.test(row)),
    [],
    "the README says why of each",
  );
});

test("What npm audit says is told apart from that it could not say anything", () => {
  const found = toAudit(
    'npm warn x {"vulnerabilities":{"a":{"severity":"critical","range":"<2"},"b":{"severity":"low","range":"<1"}},"metadata":{"dependencies":{"total":7}}}',
  );
  assert.is(found.kind, "checked");
  if (found.kind === "checked") assert.equal([found.packages, seriousOnes(found).map(({ name }) => name)], [7, ["a"]]);
  const refused = toAudit(
    'npm warn audit 405\n{"message":"405 Method Not Allowed - POST https://registry.example/-/npm","error":{"summary":""}}\nnpm error',
  );
  assert.equal(refused, { kind: "unavailable", why: "405 Method Not Allowed - POST the registry" });
  assert.is(toAudit("command not found").kind, "unavailable");
});

test.run();
