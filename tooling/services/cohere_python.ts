import { existsSync } from "node:fs";
import { join } from "node:path";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const VERSION = "7.3.1";

/** A Python in whose environment Cohere's client is installed. */
export const COHERE_PYTHON: RealService = {
  name: "cohere_python",
  what: `Cohere's client for Python ${VERSION}`,
  variables: ["TEST_COHERE_PYTHON"],
  async provide(signal) {
    // The package brings no command, so pip looks each time whether it is there.
    const bin = await providePython(`cohere-${VERSION}`, [`cohere==${VERSION}`], "cohere", signal);
    const command = join(bin, "python");
    return { TEST_COHERE_PYTHON: existsSync(command) ? command : missing("Python", "TEST_COHERE_PYTHON") };
  },
};
