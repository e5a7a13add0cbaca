import { existsSync } from "node:fs";
import { join } from "node:path";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const VERSION = "4.32.5";

export const SCHEMATHESIS: RealService = {
  name: "schemathesis",
  what: `schemathesis ${VERSION}`,
  variables: ["TEST_SCHEMATHESIS"],
  async provide(signal) {
    const bin = await providePython(`schemathesis-${VERSION}`, [`schemathesis==${VERSION}`], "schemathesis", signal);
    const command = join(bin, "schemathesis");
    return { TEST_SCHEMATHESIS: existsSync(command) ? command : missing("schemathesis", "TEST_SCHEMATHESIS") };
  },
};
