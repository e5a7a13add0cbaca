import { existsSync } from "node:fs";
import { installDebianPackages } from "./debian.ts";
import { missing, type RealService } from "./service.ts";

const PATHS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

export const CHROMIUM: RealService = {
  name: "chromium",
  what: "Chromium",
  variables: ["TEST_CHROMIUM"],
  async provide(signal) {
    const present = () => PATHS.find((path) => existsSync(path));
    const found = present();
    if (found !== undefined) return { TEST_CHROMIUM: found };
    await installDebianPackages(["chromium"], signal);
    return { TEST_CHROMIUM: present() ?? missing("Chromium", "TEST_CHROMIUM") };
  },
};
