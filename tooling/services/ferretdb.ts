import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../command.ts";
import { GO_ENVIRONMENT, provideGo } from "./go.ts";
import { CACHE, makeOnce, succeed } from "./install.ts";
import type { RealService } from "./service.ts";

/** As in ferretdb/go.mod. */
const VERSION = "1.24.2";

/** A server that speaks MongoDB's wire protocol, built from its module with a main program, a front and indexes of our own. */
export const FERRETDB: RealService = {
  name: "ferretdb",
  what: `FerretDB ${VERSION}`,
  variables: ["TEST_FERRETDB"],
  async provide(signal) {
    const folder = join(CACHE, `ferretdb-${VERSION}-indexed`);
    const binary = join(folder, "ferretdb");
    mkdirSync(folder, { recursive: true });
    const build = async (draft: string) => {
      const go = await provideGo(signal);
      const cwd = join(ROOT, "tooling/services/ferretdb");
      await succeed(go, ["build", "-trimpath", "-o", draft, "."], signal, { cwd, env: GO_ENVIRONMENT });
    };
    return { TEST_FERRETDB: await makeOnce(binary, build) };
  },
};
