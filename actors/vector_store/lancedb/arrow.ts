import { createRequire } from "node:module";

/**
 * The copy of apache-arrow that LanceDB itself holds. LanceDB is CommonJS, so an ES import would give another copy, whose
 * tables LanceDB does not know as its own: it takes them apart and rebuilds them, which costs time and fails on lists.
 */
export const arrow = createRequire(import.meta.url)("apache-arrow") as typeof import("apache-arrow");
