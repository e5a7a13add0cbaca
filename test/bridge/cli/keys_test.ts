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
  ] as const) {
    const { exitCode, out, err } = await create(changes);
    assert.equal([exitCode, out], [2, ""], JSON.stringify(changes));
    assert.match(err, said);
  }
  assert.is((await run("list")).out, "There are no keys");
});

test.run();
