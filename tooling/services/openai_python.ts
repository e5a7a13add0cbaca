import { existsSync } from "node:fs";
import { join } from "node:path";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const VERSION = "3.57.0";

/** A Python in whose environment OpenAI's client is installed. */
export const OPENAI_PYTHON: RealService = {
  name: "openai_python",
  what: `OpenAI's client for Python ${VERSION}`,
  variables: ["TEST_OPENAI_PYTHON"],
  async provide(signal) {
    // The package brings no command, so pip looks each time whether it is there.
    const bin = await providePython(`openai-${VERSION}`, [`openai==${VERSION}`], "openai", signal);
    const command = join(bin, "python");
    return { TEST_OPENAI_PYTHON: existsSync(command) ? command : missing("Python", "TEST_OPENAI_PYTHON") };
  },
};
