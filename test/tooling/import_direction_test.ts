import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findViolations, readImports } from "../../tooling/import_direction.ts";

const test = suite("import direction");

test("An import down the floors, or on the same floor, is allowed", () => {
  assert.equal(
    findViolations([
      { from: "main.ts", to: "bridge/http/server.ts" },
      { from: "actors/retriever/retriever.ts", to: "actors/vector_store/vector_store.ts" },
      { from: "config/load.ts", to: "runtime/errors.ts" },
      { from: "test/config/load_test.ts", to: "main.ts" },
    ]),
    [],
  );
});

test("An import up the floors, or of tests and tools from what is shipped, is refused with both names", () => {
  assert.equal(
    findViolations([
      { from: "supervisor/child.ts", to: "actors/janitor/janitor.ts" },
      { from: "runtime/clock.ts", to: "test/support/manual_clock.ts" },
    ]),
    [
      "supervisor/child.ts imports actors/janitor/janitor.ts: supervisor may not know actors, which lies above it",
      "runtime/clock.ts imports test/support/manual_clock.ts: what is shipped does not know tests and tools",
    ],
  );
});

test("Imports of types, re-exports and dynamic imports are seen in real files", async () => {
  const root = mkdtempSync(join(tmpdir(), "kennel-imports-"));
  try {
    const files = {
      "package.json": "{}",
      "actors/a.ts": "export interface A { readonly a: 1 }\nexport const a = 1;\n",
      "runtime/by_type.ts": 'import type { A } from "../actors/a.ts";\nexport const b: A = { a: 1 };\n',
      "runtime/by_export.ts": 'export { a } from "../actors/a.ts";\n',
      "runtime/later.ts": 'export const later = () => import("../actors/a.ts");\n',
      "actors/fine.ts": 'import "../runtime/by_type.ts";\n',
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const violations = findViolations(await readImports(root, new AbortController().signal));
    assert.equal([...violations].map((line) => line.split(" ")[0]).sort(), [
      "runtime/by_export.ts",
      "runtime/by_type.ts",
      "runtime/later.ts",
    ]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test.run();
