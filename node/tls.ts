/**
 * The listener's certificate and key, and who signs its clients', read from their files and looked at again.
 *
 * Invariants:
 *   T1. Files that cannot be read or do not belong together refuse the start, and change nothing later: what was shown is shown on.
 *   T2. Files that were replaced hold for connections that are opened `checkMs` and one reading later.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Config } from "../config/schema.ts";
import { tlsFiles } from "../config/tls_files.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { TlsMaterial } from "../runtime/http_listener.ts";
import type { Logger } from "../telemetry/logs.ts";

export interface TlsParts {
  readonly config: Pick<Config, "tls">;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TlsFiles {
  readonly #parts: TlsParts;
  #stamp: string;
  #material: TlsMaterial;
  #replace: ((material: TlsMaterial) => void) | null = null;
  #timer: Timer | null = null;
  #look: Promise<void> = Promise.resolve();
  #isBroken = false;
  #isClosed = false;

  private constructor(parts: TlsParts, stamp: string, material: TlsMaterial) {
    this.#parts = parts;
    this.#stamp = stamp;
    this.#material = material;
  }

  /** Null: the listener is a plain one. Rejects with what a person has to mend. */
  static async open(parts: TlsParts): Promise<TlsFiles | null> {
    if (parts.config.tls.certFile === "") return null;
    const stamp = await stampOf(parts.config).catch(() => "");
    return new TlsFiles(parts, stamp, await read(parts.config));
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  /** @param replace is called with what the files hold whenever that has changed */
  follow(replace: (material: TlsMaterial) => void): void {
    this.#replace = replace;
    this.#again();
  }

  /** Looks at the files now. */
  check(): Promise<void> {
    this.#look = this.#look.then(() => this.#checkOnce());
    return this.#look;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#look;
  }

  #again(): void {
    if (this.#isClosed) return;
    const { clock, config } = this.#parts;
    this.#timer = clock.setTimer(config.tls.checkMs, () => void this.check().then(() => this.#again()));
  }

  async #checkOnce(): Promise<void> {
    const { config, logger } = this.#parts;
    try {
      const stamp = await stampOf(config); // before the content: a change in between is seen at the next look
      if (stamp === this.#stamp) return;
      const material = await read(config);
      this.#replace?.(material);
      this.#material = material;
      this.#stamp = stamp;
      this.#isBroken = false;
      logger.info("the listener's certificate was replaced");
    } catch (thrown) {
      if (!this.#isBroken)
        logger.error({ cause: (thrown as Error).message }, "the listener's new certificate cannot be used; the one before is shown on"); // T1
      this.#isBroken = true;
    }
  }
}

/** Which files there are now: what a mounted secret replaces has another inode. */
async function stampOf(config: Pick<Config, "tls">): Promise<string> {
  const stats = await Promise.all(
    tlsFiles(config).map((path) =>
      stat(path).catch((cause: NodeJS.ErrnoException) => {
        throw new Error(`One of the files of tls.* is gone (${cause.code ?? "unknown"})`, { cause });
      }),
    ),
  );
  return stats.map(({ ino, size, mtimeMs, ctimeMs }) => `${ino} ${size} ${mtimeMs} ${ctimeMs}`).join(", ");
}

async function read({ tls }: Pick<Config, "tls">): Promise<TlsMaterial> {
  const material = {
    cert: await readPem("tls.certFile", tls.certFile),
    key: await readPem("tls.keyFile", tls.keyFile),
    clientCa: tls.clientCaFile === "" ? null : await readPem("tls.clientCaFile", tls.clientCaFile),
  };
  try {
    // Not every runtime's TLS looks whether they are a pair before a client does.
    if (!new X509Certificate(material.cert).checkPrivateKey(createPrivateKey(material.key)))
      throw new Error("The key is another certificate's");
    if (material.clientCa !== null) new X509Certificate(material.clientCa);
    createSecureContext({ cert: material.cert, key: material.key });
  } catch (cause) {
    throw new Error(
      "What tls.certFile, tls.keyFile and tls.clientCaFile hold cannot be used together: expected a certificate, its key without a passphrase, and certificates",
      { cause },
    );
  }
  return material;
}

async function readPem(setting: string, path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`Cannot read the file that ${setting} names (${cause.code ?? "unknown"})`, { cause });
  });
  if (!text.includes("-----BEGIN ")) throw new Error(`The file that ${setting} names holds nothing in PEM`);
  return text;
}
