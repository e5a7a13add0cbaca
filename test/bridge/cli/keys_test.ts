import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "./command_run.ts";

interface State {
  folder: string;
  run: (...argv: string[]) => ReturnType<typeof runCommand>;
}

const test = suite<State>("kennel keys");

test.before.each(async (state) => {
  state.folder = await mkdtemp(join(tmpdir(), "kennel-keys-"));
  const environment = { KENNEL_DATA_DIR: join(state.folder, "data") };
  state.run = (...argv) => runCommand(["keys", ...argv], { environment });
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

test("A key is printed once, alone, and kept as a hash", async ({ run, folder }) => {
  const { exitCode, out, err } = await run(
    "create",
    "--name",
    "search page",
    "--scope",
    "read",
    "--collections",
    "docs-*",
    "--expires",
    "30d",
  );
  assert.is(exitCode, 0, err);
  assert.match(out, /^kennel_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
  assert.match(err, "shown this once");
  assert.not.match(await readFile(join(folder, "data", "keys.json"), "utf8"), out.slice(20));
  const listed = await run("list");
  assert.match(listed.out, /^[0-9a-f]{12} {2}valid {2}read {2}docs-\* {2}search page {2}\(expires .*, never used\)$/);
  assert.not.match(listed.out, out.slice(20));
});

test("A key is revoked by its id, again without harm; one that is not there is said", async ({ run }) => {
  const made = JSON.parse((await run("create", "--name", "a", "--scope", "admin", "--collections", "*", "--json")).out);
  assert.equal([made.state, made.expires_at, made.digest], ["valid", null, undefined]);
  assert.is((await run("revoke", made.id)).exitCode, 0);
  const [again] = [JSON.parse((await run("revoke", made.id, "--json")).out)];
  assert.is(again.state, "revoked");
  assert.equal(
    (JSON.parse((await run("list", "--json")).out) as { state: string }[]).map(({ state }) => state),
    ["revoked"],
  );
  const unknown = await run("revoke", "000000000000");
  assert.equal([unknown.exitCode, unknown.out], [1, ""]);
  assert.match(unknown.err, "no key with this id");
});

test("A key has a tenant, principals and the right to delegate where it is given them, which an older Kennel does not read", async ({
  run,
  folder,
}) => {
  const file = async () => JSON.parse(await readFile(join(folder, "data", "keys.json"), "utf8"));
  const create = ["create", "--name", "a", "--scope", "read", "--collections", "*", "--json"];
  const plain = JSON.parse((await run(...create)).out);
  assert.equal([plain.tenant, plain.principals, plain.delegate, (await file()).version], [undefined, undefined, undefined, 1]);
  const made = JSON.parse((await run(...create, "--tenant", "acme", "--principals", "user:b, user:a,user:b", "--delegate")).out);
  assert.equal([made.tenant, made.principals, made.delegate], ["acme", ["user:a", "user:b"], true]);
  assert.is((await file()).version, 2);
  assert.match((await run("list")).out, "(tenant acme, for user:a, user:b, may delegate, no expiry, never used)");
});

test("What cannot be a key is refused with what is allowed, and makes none", async ({ run }) => {
  const create = (changes: Readonly<Record<string, string>>) => {
    const given = { "--name": "a", "--scope": "read", "--collections": "*", ...changes };
    return run("create", ...Object.entries(given).flat());
  };
  for (const [changes, said] of [
    [{ "--name": "" }, "--name: expected 1 to 128"],
    [{ "--name": "a\nb" }, "--name"],
    [{ "--scope": "root" }, "read, write, admin"],
    [{ "--collections": "a b" }, "names or beginnings of names"],
    [{ "--expires": "soon" }, "90m, 12h, 30d or a date"],
    [{ "--expires": "2020-01-31" }, "has passed already"],
    [{ "--expires": "2027-99-99" }, "expected a time"],
    [{ "--rate": "10" }, "10/s, 300/m"],
    [{ "--rate": "0/s" }, "10/s, 300/m"],
    [{ "--rate": "9999999/s" }, "10/s, 300/m"],
    [{ "--burst": "5" }, "--burst belongs to a --rate"],
    [{ "--rate": "1/s", "--burst": "0" }, "a whole number from 1"],
    [{ "--concurrent": "many" }, "a whole number from 1"],
    [{ "--tenant": "acme-1" }, "1 to 16 of a-z and 0-9"],
    [{ "--tenant": "default" }, "other than default"],
    [{ "--principals": "p".repeat(257) }, "at most 256"],
  ] as const) {
    const { exitCode, out, err } = await create(changes);
    assert.equal([exitCode, out], [2, ""], JSON.stringify(changes));
    assert.match(err, said);
  }
  assert.is((await run("list")).out, "There are no keys");
});

test("A key's own limits are kept, and shown", async ({ run }) => {
  const create = async (...limits: string[]) => {
    const { out, err } = await run("create", "--name", "a", "--scope", "read", "--collections", "*", "--json", ...limits);
    assert.is(err, "");
    return JSON.parse(out).limits;
  };
  assert.equal(await create("--rate", "90/m", "--burst", "20", "--concurrent", "4"), {
    rate_per_second: 1.5,
    burst: 20,
    max_concurrent: 4,
  });
  assert.equal(await create("--rate", "none", "--concurrent", "none"), { rate_per_second: 0, burst: null, max_concurrent: 0 });
  assert.is(await create(), undefined);
  const listed = (await run("list")).out;
  assert.match(listed, "1.5 a second, 20 at once, 4 under way");
  assert.match(listed, "any rate, any number under way");
});

test("A key that is rotated has a successor like it, and both are good while callers move", async ({ run }) => {
  const options = ["--name", "page", "--scope", "write", "--collections", "docs-*", "--expires", "30d", "--rate", "5/s"];
  const old = JSON.parse((await run("create", ...options, "--json")).out);
  const next = JSON.parse((await run("rotate", old.id, "--overlap", "2h", "--json")).out);
  assert.match(next.key, new RegExp(`^kennel_${next.id}_`));
  assert.equal([next.name, next.scope, next.collections, next.limits], [old.name, old.scope, old.collections, old.limits]);
  assert.is(Math.round((Date.parse(next.expires_at) - Date.parse(next.created_at)) / 86_400_000), 30, "it lives as long");
  assert.equal([next.replaces, next.key === old.key], [old.id, false]);
  const known = JSON.parse((await run("list", "--json")).out) as { id: string; state: string; expires_at: string }[];
  assert.equal(known.map(({ id, state }) => [id, state]), [[old.id, "valid"], [next.id, "valid"]]); // biome-ignore format: pairs
  const hours = (Date.parse(known[0]?.expires_at ?? "") - Date.parse(next.created_at)) / 3_600_000;
  assert.ok(hours > 1.99 && hours <= 2);

  const soon = JSON.parse((await run("create", "--name", "b", "--scope", "read", "--collections", "*", "--expires", "10m", "--json")).out);
  await run("rotate", soon.id, "--overlap", "7d");
  const kept = (JSON.parse((await run("list", "--json")).out) as typeof known).find(({ id }) => id === soon.id);
  assert.is(kept?.expires_at, soon.expires_at, "no overlap makes a key live longer than it was to");
});

test("What is no valid key is not rotated", async ({ run }) => {
  assert.match((await run("rotate", "000000000000")).err, "no key with this id");
  const made = JSON.parse((await run("create", "--name", "a", "--scope", "read", "--collections", "*", "--json")).out);
  assert.is((await run("rotate", made.id, "--overlap", "soon")).exitCode, 2);
  await run("revoke", made.id);
  const refused = await run("rotate", made.id);
  assert.equal([refused.exitCode, refused.out], [1, ""]);
  assert.match(refused.err, "is revoked");
  assert.is(JSON.parse((await run("list", "--json")).out).length, 1);
});

test.run();
