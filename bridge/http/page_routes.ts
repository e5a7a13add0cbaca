import { kennelError } from "../../runtime/errors.ts";
import type { PageFiles } from "./collaborators.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";
import { fileAnswer } from "./static_files.ts";

/** The page at `/` and the files it loads. */
export function pageRoutes(page: PageFiles | null, { limits }: { readonly limits: BridgeLimits }): readonly Route[] {
  if (page === null) return [];
  return page.paths.map((path) => ({
    method: "GET",
    path,
    kind: "operation",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: null,
    handle({ request }) {
      const file = page.get(path);
      if (file === null) throw kennelError("not_found");
      return fileAnswer(file, request, page.contentSecurityPolicy);
    },
  }));
}
