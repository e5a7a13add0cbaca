import { resolve } from "node:path";
import type { Config } from "./schema.ts";

/** Paths as they hold from the folder that the node was started in. */
export function withAbsoluteTlsPaths(tls: Config["tls"], workingFolder: string): Config["tls"] {
  const absolute = (path: string) => (path === "" ? "" : resolve(workingFolder, path));
  return { ...tls, certFile: absolute(tls.certFile), keyFile: absolute(tls.keyFile), clientCaFile: absolute(tls.clientCaFile) };
}

export function tlsFiles({ tls }: Pick<Config, "tls">): readonly string[] {
  return [tls.certFile, tls.keyFile, tls.clientCaFile].filter((path) => path !== "");
}

/** What no single setting can know. */
export function tlsProblems({ tls }: Pick<Config, "tls">): readonly string[] {
  return [
    ...((tls.certFile === "") === (tls.keyFile === "") ? [] : ["tls.certFile and tls.keyFile belong together; one is missing"]),
    ...(tls.clientCaFile !== "" && tls.certFile === ""
      ? ["tls.clientCaFile is set and tls.certFile is not: without TLS no certificate is asked for"]
      : []),
  ];
}
