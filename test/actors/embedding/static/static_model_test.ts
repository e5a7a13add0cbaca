import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BUILT_IN_MODEL, loadStaticModel, loadStaticTokenizer } from "../../../../actors/embedding/static/static_model.ts";
import { KennelError } from "../../../../runtime/errors.ts";

interface Reference {
  readonly text: string;
  readonly ids: readonly number[];
  readonly first16: readonly number[];
  readonly norm: number;
}

const test = suite("static model");
const model = await loadStaticModel();
const references = (await readFile(new URL("../../../data/model/reference.jsonl", import.meta.url), "utf8"))
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Reference);
const never = new AbortController().signal;

test("StaticModel gives the reference's tokens, vectors and norms for its 40 texts", () => {
  assert.is(references.length, 40);
  for (const { text, ids, first16, norm } of references) {
    assert.equal(model.tokenizer.tokenize(text), ids, JSON.stringify(text));
    const found = model.pool(ids, new Float32Array(model.dimensions));
    assert.ok(Math.abs(found - norm) <= 1e-4 * Math.max(norm, 1), `norm of ${JSON.stringify(text)}: ${found}, expected ${norm}`);
    const vector = model.embedSync(text) ?? new Float32Array(model.dimensions);
    for (const [at, expected] of first16.entries()) {
      assert.ok(Math.abs((vector[at] as number) - expected) <= 1e-4, `component ${at} of ${JSON.stringify(text)}`);
    }
  }
});

test("StaticModel gives null, never a vector of zeros, for a text without a known word", async () => {
  assert.equal(await model.embed(["", " \t\n", "\u{1f9ff}\u{1f9ff}"], "query", never), [null, null, null]);
});

test("StaticModel embeds a batch in order and each text as it would alone", async () => {
  const texts = ["radio waves", "", "a valve amplifier", "radio waves"];
  const vectors = await model.embed(texts, "document", never);
  assert.equal(
    vectors,
    texts.map((text) => model.embedSync(text)),
  );
});

test("StaticModel rejects with cancelled when the signal has aborted", async () => {
  await rejectsWith("cancelled", model.embed(["radio"], "query", AbortSignal.abort()));
});

test("StaticModel gives unit vectors of finite numbers for any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      const vector = model.embedSync(text);
      if (vector === null) return;
      const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
      assert.ok(Math.abs(norm - 1) < 1e-5, `norm ${norm}`);
    }),
  );
});

test("Tokenizer counts as many tokens as it gives, first time and from its cache", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 120 }), (text) => {
      const first = model.tokenizer.tokenize(text);
      assert.is(model.countTokens(text), first.length);
      assert.equal(model.tokenizer.tokenize(text), first);
    }),
  );
});

test("Tokenizer reads ASCII and other text by the same rules", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."aB z9.,-'\t\n~"), maxLength: 60 }), (text) => {
      // A soft hyphen is dropped, but it sends the text the long way round.
      assert.equal(model.tokenizer.tokenize(`${text}\u00ad`), model.tokenizer.tokenize(text));
    }),
  );
});

test("loadStaticTokenizer gives the model's own tokens", async () => {
  const tokenizer = await loadStaticTokenizer();
  for (const { text, ids } of references) assert.equal(tokenizer.tokenize(text), ids);
});

const TABLE = "static-minilm-256.bin";
const damages: readonly {
  readonly name: string;
  readonly file: string;
  readonly change: (bytes: Buffer) => Buffer;
  readonly says: RegExp;
}[] = [
  { name: "has another magic", file: TABLE, change: (bytes) => patch(bytes, 0, 0x58), says: /starts with "XEMB"/ },
  { name: "has a later version", file: TABLE, change: (bytes) => patch(bytes, 4, 2), says: /format version 2/ },
  { name: "is cut short", file: TABLE, change: (bytes) => bytes.subarray(0, -1), says: /header announces/ },
  { name: "has a byte too many", file: TABLE, change: (bytes) => Buffer.concat([bytes, Buffer.of(0)]), says: /header announces/ },
  { name: "is shorter than its header", file: TABLE, change: (bytes) => bytes.subarray(0, 20), says: /20 bytes/ },
  { name: "was made for another vocabulary", file: "vocab.txt", change: (bytes) => patch(bytes, 1000, 0x21), says: /vocab\.txt/ },
];

for (const { name, file, change, says } of damages) {
  test(`loadStaticModel refuses a model that ${name}`, async () => {
    await withCopy(async (folder, url) => {
      await writeFile(join(folder, file), change(await readFile(join(folder, file))));
      await rejectsWith("unavailable", loadStaticModel(url), says);
    });
  });
}

test("loadStaticModel and loadStaticTokenizer refuse a folder without the model", async () => {
  const missing = new URL("./no-such-model/", BUILT_IN_MODEL);
  await rejectsWith("unavailable", loadStaticModel(missing));
  await rejectsWith("unavailable", loadStaticTokenizer(missing));
});

function patch(bytes: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = value;
  return changed;
}

async function withCopy(use: (folder: string, url: URL) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-model-"));
  try {
    await cp(BUILT_IN_MODEL, folder, { recursive: true });
    await use(folder, pathToFileURL(`${folder}/`));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function rejectsWith(code: string, promise: Promise<unknown>, says = /./): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, KennelError);
    assert.is((error as KennelError).code, code);
    assert.match((error as KennelError).message, says);
    return;
  }
  assert.unreachable(`should have rejected with ${code}`);
}

test.run();
