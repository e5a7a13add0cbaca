import { readdir, readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ENSEMBLE_PARTS, MODES } from "../../../../actors/retriever/search.ts";
import { STRATEGIES as OFFERED } from "../../../../bridge/http/page/browser/address.js";
import { MODE_MEANINGS } from "../../../../bridge/http/page/browser/answer.js";
import { BROWSER_FILES, openPage } from "../../../../bridge/http/page/page.ts";

const test = suite("page files");
const folder = new URL("../../../../bridge/http/page/browser/", import.meta.url);
const page = await openPage();

function text(path: string): string {
  const file = page.get(path);
  if (file === null) throw new Error(`The page has no ${path}`);
  return new TextDecoder().decode(file.bytes);
}

test("The page serves every file of its folder but type declarations, and nothing else", async () => {
  const names = (await readdir(folder)).filter((name) => !name.endsWith(".d.ts")).sort();
  assert.equal(Object.keys(BROWSER_FILES).sort(), names);
  assert.equal(page.get("/page/../page.ts"), null);
  assert.equal(page.get("/page/index.html"), null);
});

test("The page's compressed files hold what the plain ones hold", () => {
  for (const path of page.paths) {
    const file = page.get(path);
    assert.ok(file !== null);
    assert.equal(gunzipSync(file.gzipped).equals(Buffer.from(file.bytes)), true, path);
  }
});

test("The page takes less than 100 KB on its way, charts included", () => {
  const total = page.paths.reduce((sum, path) => sum + (page.get(path)?.gzipped.length ?? 0), 0);
  assert.ok(total < 100_000, `${total} bytes`);
});

test("The page's policy allows no inline script, no inline style and no other origin", () => {
  const policy = page.contentSecurityPolicy;
  assert.match(policy, "default-src 'none'");
  assert.match(policy, "require-trusted-types-for 'script'");
  assert.not.match(policy, "unsafe");
  assert.not.match(policy, "http");
  const html = text("/");
  assert.not.match(html, /<script(?![^>]*\bsrc=)/);
  assert.not.match(html, /<style|\sstyle=|\son[a-z]+=/);
});

test("Everything that the page's markup and modules name is served", async () => {
  const named = [...text("/").matchAll(/(?:src|href)="(\/[^"]*)"/g)].map((match) => match[1] as string);
  assert.ok(named.length >= 4);
  for (const path of named) assert.ok(page.get(path) !== null, path);
  for (const name of Object.keys(BROWSER_FILES).filter((name) => name.endsWith(".js"))) {
    const source = await readFile(new URL(name, folder), "utf8");
    for (const match of source.matchAll(/(?:from|import\()\s*"\.\/([^"]+)"/g))
      assert.ok(page.get(`/page/${match[1]}`) !== null, `${name}: ${match[1]}`);
  }
});

test("Every module of the page is fetched with its markup, but for the charts", () => {
  const preloaded = [...text("/").matchAll(/rel="modulepreload" href="\/page\/([^"]*)"/g)].map((match) => match[1] as string);
  const startsOtherwise = ["early_theme.js", "main.js"];
  const modules = Object.keys(BROWSER_FILES).filter((name) => name.endsWith(".js") && !startsOtherwise.includes(name));
  assert.equal(preloaded.sort(), modules.sort());
});

test("The chart library is a module of its own origin", () => {
  assert.match(text("/page/uplot.js"), "export { uPlot };");
  assert.match(text("/page/uplot.js"), "https://github.com/leeoniya/uPlot");
});

test("A page file's tag changes with its content only", async () => {
  const again = await openPage();
  const tags = page.paths.map((path) => page.get(path)?.etag);
  assert.equal(
    again.paths.map((path) => again.get(path)?.etag),
    tags,
  );
  assert.is(new Set(tags).size, tags.length);
});

test("The page offers every strategy and explains every mode the server has", () => {
  assert.equal([...OFFERED].sort(), [...ENSEMBLE_PARTS].sort());
  assert.equal(Object.keys(MODE_MEANINGS).sort(), [...MODES].sort());
  for (const strategy of ENSEMBLE_PARTS) assert.match(text("/"), `<option value="${strategy}">`);
});

test.run();
