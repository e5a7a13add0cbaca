import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "./free_ports.ts";
import { type ServerProcess, startServerProcess } from "./server_process.ts";

export interface EncoderServer extends Pick<ServerProcess, "stop"> {
  /** With `/v1`: what takes OpenAI's clients. */
  readonly url: string;
}

const SCRIPT = fileURLToPath(new URL("./minilm_server.py", import.meta.url));
const START_LIMIT_MS = 60_000;

/**
 * all-MiniLM-L6-v2 as a server of OpenAI's protocol.
 * @param python a Python that has the model's packages
 * @param folder for its log; it exists
 * @param vectors file that keeps what was embedded once
 */
export async function startMiniLm(python: string, folder: string, vectors: string): Promise<EncoderServer> {
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}/v1`;
  const server = await startServerProcess({
    what: "all-MiniLM-L6-v2",
    command: python,
    args: [SCRIPT, String(port), vectors],
    cwd: folder,
    log: join(folder, "minilm.log"),
    tryOnce: async () => {
      const body = JSON.stringify({ model: "all-MiniLM-L6-v2", input: ["ready"] });
      const response = await fetch(`${url}/embeddings`, { method: "POST", headers: { "content-type": "application/json" }, body });
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`it answered ${response.status}`);
    },
    startLimitMs: START_LIMIT_MS,
  });
  return { url, stop: server.stop };
}
