import { existsSync } from "node:fs";
import { join } from "node:path";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const VERSION = "3.2.2";
/** It needs this and does not say so. */
const PYMILVUS = "pymilvus==3.0.2";

/** Milvus' protocol in Python: slow, with the BM25 that later servers have. */
export const MILVUS_LITE: RealService = {
  name: "milvus_lite",
  what: `Milvus Lite ${VERSION}`,
  variables: ["TEST_MILVUS_LITE"],
  async provide(signal) {
    const bin = await providePython(`milvus_lite-${VERSION}`, [`milvus-lite==${VERSION}`, PYMILVUS], "milvus-lite", signal);
    const command = join(bin, "milvus-lite");
    return { TEST_MILVUS_LITE: existsSync(command) ? command : missing("Milvus Lite", "TEST_MILVUS_LITE") };
  },
};
