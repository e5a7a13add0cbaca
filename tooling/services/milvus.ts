import { existsSync } from "node:fs";
import { join } from "node:path";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const VERSION = "2.3.5";

/** The standalone server of a wheel: a real Milvus with its storage inside, without BM25. Linux on x64 only. */
export const MILVUS: RealService = {
  name: "milvus",
  what: `Milvus ${VERSION}`,
  variables: ["TEST_MILVUS_PYTHON"],
  async provide(signal) {
    const bin = await providePython(`milvus-${VERSION}`, [`milvus==${VERSION}`], "milvus-server", signal);
    const python = join(bin, "python");
    return { TEST_MILVUS_PYTHON: existsSync(python) ? python : missing("Milvus", "TEST_MILVUS_PYTHON") };
  },
};
