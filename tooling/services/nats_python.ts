import { existsSync } from "node:fs";
import { join } from "node:path";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const VERSION = "2.16.0";

/** A Python in whose environment NATS' client is installed. */
export const NATS_PYTHON: RealService = {
  name: "nats_python",
  what: `NATS' client for Python ${VERSION}`,
  variables: ["TEST_NATS_PYTHON"],
  async provide(signal) {
    // The package brings no command, so pip looks each time whether it is there.
    const bin = await providePython(`nats-py-${VERSION}`, [`nats-py==${VERSION}`], "nats-py", signal);
    const command = join(bin, "python");
    return { TEST_NATS_PYTHON: existsSync(command) ? command : missing("Python", "TEST_NATS_PYTHON") };
  },
};
