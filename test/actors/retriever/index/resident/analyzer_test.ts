import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ANALYZED_LANGUAGES, loadAnalyzer } from "../../../../../actors/retriever/index/resident/analyzer.ts";
import { KennelError } from "../../../../../runtime/errors.ts";

const test = suite("analyzer");
const english = await loadAnalyzer("english");
const terms = (text: string, analyzer = english) => Object.fromEntries(analyzer.analyze(text).counts);

test("Analyzer stems English, drops stop words and counts repeats", () => {
  assert.equal(terms("The Frequencies of a frequency, and WAVES"), { frequenc: 2, wave: 1 });
  assert.is(english.analyze("The Frequencies of a frequency, and WAVES").length, 3);
});

test("Analyzer of no language keeps every word as it is, but for case and accents", async () => {
  assert.equal(terms("The Cafés of São Paulo", await loadAnalyzer("none")), { the: 1, cafes: 1, of: 1, sao: 1, paulo: 1 });
});

test("Analyzer finds a word whether its accents were typed in one piece, in two, or not at all", () => {
  assert.equal(terms("déjà"), terms("de\u0301ja\u0300"));
  assert.equal(terms("déjà"), terms("deja"));
});

test("Analyzer splits at anything but letters, digits and their marks, in any script", async () => {
  const none = await loadAnalyzer("none");
  assert.equal(Object.keys(terms("a-b_c d.e(f)'g' 42nd", none)), ["a", "b", "c", "d", "e", "f", "g", "42nd"]);
  assert.equal(Object.keys(terms("радио волны", none)), ["радио", "волны"]);
});

test("Analyzer leaves out words of more than 64 characters", () => {
  assert.equal(terms(`radio ${"x".repeat(65)}`), { radio: 1 });
});

test("Analyzer gives the same terms the second time, from its cache", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), (text) => {
      assert.equal(terms(text), terms(text));
    }),
  );
});

test("Analyzer never gives an empty term or one that a line break could split", async () => {
  const all = await Promise.all(["none", ...ANALYZED_LANGUAGES].map(loadAnalyzer));
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), fc.constantFrom(...all), (text, analyzer) => {
      for (const term of analyzer.analyze(text).counts.keys()) assert.ok(term !== "" && !/\s/u.test(term), JSON.stringify(term));
    }),
  );
});

test("Every language brings two forms of a word of its own together and drops a stop word", async () => {
  const samples: Readonly<Record<string, readonly [string, string, string]>> = {
    danish: ["husene", "huset", "og"],
    dutch: ["huizen", "huize", "het"],
    french: ["continuellement", "continuelle", "dans"],
    german: ["häusern", "häuser", "und"],
    italian: ["abbandonata", "abbandonato", "della"],
    norwegian: ["husene", "huset", "og"],
    portuguese: ["boataria", "boatarias", "para"],
    spanish: ["corriendo", "correr", "para"],
    swedish: ["flickorna", "flickor", "och"],
  };
  for (const [language, [one, other, stopWord]] of Object.entries(samples)) {
    const analyzer = await loadAnalyzer(language);
    const counts = Object.values(terms(`${one} ${other} ${stopWord}`, analyzer));
    assert.equal(counts, [2], `${language}: ${JSON.stringify(terms(`${one} ${other} ${stopWord}`, analyzer))}`);
  }
});

test("loadAnalyzer refuses a language it does not know and names those it does", async () => {
  for (const language of ["klingon", "__proto__", "toString"]) {
    const error = await loadAnalyzer(language).catch((thrown) => thrown);
    assert.instance(error, KennelError);
    assert.is(error.param, "language");
    assert.match(error.message, /allowed: none, arabic/);
  }
});

test.run();
