import { existsSync } from "node:fs";
import { installDebianPackages } from "./debian.ts";
import { missing, type RealService } from "./service.ts";

const PATHS = ["/usr/bin/redis-server", "/usr/local/bin/redis-server", "/opt/homebrew/bin/redis-server"];

export const REDIS: RealService = {
  name: "redis",
  what: "Redis",
  variables: ["TEST_REDIS"],
  async provide(signal) {
    const present = () => PATHS.find((path) => existsSync(path));
    const found = present();
    if (found !== undefined) return { TEST_REDIS: found };
    await installDebianPackages(["redis-server"], signal);
    return { TEST_REDIS: present() ?? missing("Redis", "TEST_REDIS") };
  },
};
