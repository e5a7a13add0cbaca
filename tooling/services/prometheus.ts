import { existsSync } from "node:fs";
import { installDebianPackages } from "./debian.ts";
import { missing, type RealService } from "./service.ts";

const FOLDERS = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];

/** The server, and promtool, which checks and tests its rules. */
export const PROMETHEUS: RealService = {
  name: "prometheus",
  what: "Prometheus",
  variables: ["TEST_PROMETHEUS", "TEST_PROMTOOL"],
  async provide(signal) {
    const find = (program: string) => FOLDERS.map((folder) => `${folder}/${program}`).find((path) => existsSync(path));
    if (find("promtool") === undefined) await installDebianPackages(["prometheus"], signal);
    return {
      TEST_PROMETHEUS: find("prometheus") ?? missing("Prometheus", "TEST_PROMETHEUS"),
      TEST_PROMTOOL: find("promtool") ?? missing("promtool", "TEST_PROMTOOL"),
    };
  },
};
