import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";

/** Where a backup's digest lies. */
export function digestPath(file: string): string {
  return `${file}.sha256`;
}

/** SHA-256 in hex of a file that may be larger than memory. */
export async function sha256Of(
  file: string,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<{ readonly digest: string; readonly bytes: number }> {
  const { size } = await stat(file);
  const hash = createHash("sha256");
  let done = 0;
  for await (const piece of createReadStream(file, { highWaterMark: 1_048_576 })) {
    hash.update(piece as Buffer);
    done += (piece as Buffer).length;
    onProgress(done, size);
  }
  return { digest: hash.digest("hex"), bytes: done };
}

/** What `sha256sum` would expect of the file; null: nobody has written it down. */
export async function expectedDigest(file: string): Promise<string | null> {
  try {
    return /^[0-9a-f]{64}/.exec(await readFile(digestPath(file), "utf8"))?.[0] ?? "";
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}
