import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kennelError } from "../../runtime/errors.ts";
import { MASK, Redaction } from "../../telemetry/redaction.ts";

const test = suite("Redaction");
const CANARY = "canary-7f3a91-do-not-print";

test("An address keeps its host and loses its user and password", () => {
  const { text } = fit();
  assert.is(text("mongodb://root:hunter2@db:27017/x?y=1"), `mongodb://${MASK}@db:27017/x?y=1`);
  assert.is(text("nats://token@bus:4222 is away"), `nats://${MASK}@bus:4222 is away`);
  assert.is(text("http://db:27017/x"), "http://db:27017/x");
});

test("Keys are known by their shape, tokens by what stands before them", () => {
  const { text } = fit();
  for (const secret of [
    "kennel_0123456789ab_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "sk-proj-0123456789abcdef0123",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "SUAGMJH5XLGZKQQWAWKRZJIGMOU4HPFUYLXJMXOO5NLFEO2OOQJ5LPRDPM",
  ]) {
    const written = text(`refused ${secret} today`);
    assert.is(written, `refused ${MASK} today`, secret);
  }
  assert.is(text("Authorization: Bearer abc.def-123456"), `Authorization: Bearer ${MASK}`);
  assert.is(text("GET /x?api_key=abcdef&n=1"), `GET /x?api_key=${MASK}&n=1`);
});

test("What is configured as secret is masked wherever it stands, encoded too, and the longest first", () => {
  const redaction = new Redaction([CANARY, `${CANARY}/and+more`, "short"]);
  assert.is(redaction.text(`a ${CANARY}/and+more b`), `a ${MASK} b`);
  assert.is(redaction.text(`a ${encodeURIComponent(`${CANARY}/and+more`)} b`), `a ${MASK} b`);
  assert.is(redaction.text("a short b"), "a short b", "a word of fewer than six characters is no secret");
});

test("A text cannot end its line, turn it round or fill the log", () => {
  const { text } = fit();
  assert.is(text('a\r\n{"level":60}\u2028b\u001b[31mc\u202ed'), 'a {"level":60} b [31mc d');
  const long = text("x".repeat(1_000_000));
  assert.is(long.length, 2_001);
  const cutInside = new Redaction([CANARY]).text(`${"x".repeat(1_990)}${CANARY}`);
  assert.not.match(cutInside, "canary");
});

test("An error is its name, code and words, without paths and stacks, its causes five deep", () => {
  const { error } = fit();
  let thrown: Error = new TypeError("ENOENT: open '/var/lib/kennel/data/kennel.db:12:3' at file:///srv/main.ts and C:\\data\\x");
  Object.assign(thrown, { code: "ENOENT", config: { headers: { authorization: CANARY } } });
  assert.equal(error(thrown), { type: "TypeError", code: "ENOENT", message: "ENOENT: open '[path]' at [path] and [path]" });
  for (let depth = 0; depth < 10; depth++) thrown = kennelError("unavailable", { message: `at ${depth}`, cause: thrown });
  const written = JSON.stringify(error(thrown));
  assert.is(written.split('"message"').length - 1, 5);
  assert.match(written, '"causes":"more"');
  assert.not.match(written, /\.ts/);
});

test("An error that causes itself, one whose words cannot be read and what is none do no harm", () => {
  const { error } = fit();
  const circle = new Error("round");
  circle.cause = circle;
  assert.equal(error(circle), { type: "Error", message: "round" });
  const hostile = Object.defineProperty(new Error("x"), "message", {
    get() {
      throw new Error("no");
    },
  });
  assert.equal(error(hostile), { type: "object", message: "" });
  assert.equal(error("plain words"), { type: "string", message: "plain words" });
  assert.equal(error(undefined), { type: "undefined", message: "undefined" });
});

test("Routes of the API, actors' paths and media types are no paths of files", () => {
  const { sentence } = fit();
  for (const words of ["GET /v1/collections/{collection}/search", "node/retrievers/docs.v1", "text/plain; charset=utf-8", "a / b", "1/2/3"])
    assert.is(sentence(words), words);
});

test("A secret is masked where nothing but letters, digits and the marks of paths stand around it", () => {
  const shapes = [`kennel_0123456789ab_${"x".repeat(43)}`, `sk-${"a1".repeat(10)}`, `AKIA${"A1".repeat(8)}`, `ghp_${"a".repeat(20)}`];
  for (const secret of [...shapes, `eyJ${"a".repeat(8)}.${"b".repeat(8)}`]) {
    for (const text of [secret, `/v1/${secret}/search`, `{${secret}}`]) assert.not.match(fit().text(text), secret);
  }
  const known = new Redaction([CANARY]);
  assert.not.match(known.text(`node/${CANARY}/docs`), CANARY);
  for (const plain of ["", "POST", "/v1/collections/{collection}/search", "req_0123456789abcdef", "hybrid"])
    assert.is(fit().text(plain), plain);
});

test("Fields named like secrets are masked whatever they hold, and plain data is bounded in depth and width", () => {
  const { fields } = fit();
  const deep = { a: { b: { c: { d: { e: 1 } } } } };
  const wide = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`n${at}`, at]));
  const written = fields({
    apiKey: CANARY,
    nested: { db_password: CANARY, "X-Api-Key": 1, tokens: 12 },
    headers: { Authorization: CANARY, cookie: CANARY },
    deep,
    wide,
    bytes: new Uint8Array(9),
    big: 12n,
    none: null,
  });
  assert.not.match(JSON.stringify(written), CANARY);
  assert.equal(written.nested, { db_password: MASK, "X-Api-Key": MASK, tokens: 12 });
  assert.equal(written.deep, { a: { b: { c: "[deeper]" } } });
  assert.is(Object.keys(written.wide as object).length, 64);
  assert.is(written.bytes, "[9 bytes]");
  assert.is(written.big, "12");
});

function fit() {
  const redaction = new Redaction();
  return {
    text: (given: string) => redaction.text(given),
    sentence: (given: string) => redaction.sentence(given),
    error: (thrown: unknown) => redaction.error(thrown),
    fields: (given: Record<string, unknown>) => redaction.fields(given),
  };
}

test.run();
