/**
 * Files that were sent before anyone said which collection they belong to, in the data folder.
 *
 * Invariants:
 *   U1. A file that was acknowledged is whole on disk: it is written to a draft, synced and renamed.
 *   U2. All files together stay within the limits; what is older than `maxAgeMs` makes room and is not given out any more.
 *   U3. With each file that it adds one owner has at most `SHARE` times what is left, in files and in bytes, so that some room is
 *       left for the next one.
 */
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Clock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";

export interface UploadLimits {
  readonly maxFiles: number;
  /** Of all files together. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export interface Upload {
  readonly id: string;
  readonly fileName: string;
  readonly mediaType: string;
  readonly purpose: string;
  readonly bytes: number;
  readonly createdAtMs: number;
  /** Collections that it is for, as a key's pattern has them; `*`: brought by one for all of them, or without a key. */
  readonly audience: string;
  /** Who answers for its room, as a grant has it; null: an operator or nobody, whom the limits of all files bound alone. */
  readonly owner: string | null;
}

/** What is given of a file beside its content; without an audience it is for `*`, without an owner nobody's. */
export type NewUpload = Pick<Upload, "fileName" | "mediaType" | "purpose"> & Partial<Pick<Upload, "audience" | "owner">>;

const EVERYONE = "*";
/** As bulkheads have it: three quarters where no other owner has any, three sevenths each where two have. */
const SHARE = 3;

/** What is known of a file stands in the line before its content. */
const headSchema = z.object({
  version: z.literal(1),
  file_name: z.string(),
  media_type: z.string(),
  purpose: z.string(),
  created_at_ms: z.number(),
  audience: z.string().default(EVERYONE),
  owner: z.string().nullable().default(null),
});

const ID = /^file-[0-9a-f]{24}$/;
const DRAFT = ".draft";
const NEWLINE = 0x0a;

export class UploadFolder {
  readonly #path: string;
  readonly #limits: UploadLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #uploads = new Map<string, Upload>();
  #bytes = 0;

  constructor(path: string, limits: UploadLimits, clock: Clock, random: Random) {
    this.#path = path;
    this.#limits = limits;
    this.#clock = clock;
    this.#random = random;
  }

  /** Finds what an earlier process has kept; drafts and what can't be read are removed. */
  async open(): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#path)) {
      const found = ID.test(name) ? await this.#read(name).catch(() => null) : null;
      if (found === null) await rm(join(this.#path, name), { force: true });
      else this.#keep(found.upload);
    }
    await this.dropOld();
  }

  /** Newest first. */
  list(): readonly Upload[] {
    return [...this.#uploads.values()].filter((upload) => !this.#isOld(upload)).reverse();
  }

  get(id: string): Upload | null {
    const upload = this.#uploads.get(id);
    return upload === undefined || this.#isOld(upload) ? null : upload;
  }

  /** Null: there is none. Rejects with `unavailable`. */
  async content(id: string): Promise<Uint8Array | null> {
    if (this.get(id) === null) return null;
    return (await this.#read(id).catch(refuseDisk)).content;
  }

  /** Rejects with `storage_full` or `unavailable`. */
  async put(file: NewUpload, content: Uint8Array): Promise<Upload> {
    await this.dropOld();
    this.#requireRoom(content.length, file.owner ?? null);
    const createdAtMs = this.#clock.wallMs();
    const upload = { id: this.#newId(), audience: EVERYONE, owner: null, ...file, bytes: content.length, createdAtMs };
    this.#keep(upload); // its room is taken before the disk is waited for
    try {
      await this.#write(upload, content);
    } catch (thrown) {
      this.#forget(upload.id);
      return refuseDisk(thrown);
    }
    return upload;
  }

  /** U2, U3. Throws `storage_full`, which says what there is room for. */
  #requireRoom(bytes: number, owner: string | null): void {
    const { maxFiles, maxBytes } = this.#limits;
    const free = { files: maxFiles - this.#uploads.size, bytes: maxBytes - this.#bytes };
    if (free.files < 1 || bytes > free.bytes) {
      const message = `The file has ${bytes} bytes, and of the room for files that belong to no collection ${free.files} files and ${free.bytes} bytes are left; delete some, or let collections take them`;
      throw kennelError("storage_full", { message });
    }
    if (owner === null) return;
    const own = [...this.#uploads.values()].filter((upload) => upload.owner === owner);
    const ownBytes = own.reduce((sum, upload) => sum + upload.bytes, 0);
    const files = moreOf(own.length, free.files);
    const allowed = moreOf(ownBytes, free.bytes);
    if (files >= 1 && bytes <= allowed) return;
    const message = `The file has ${bytes} bytes, and ${own.length} files with ${ownBytes} bytes wait already that belong to no collection; allowed now: ${files} more with ${allowed} bytes, for one caller at most ${SHARE} times what is left for others; delete some, or let collections take them`;
    throw kennelError("storage_full", { message });
  }

  /** False: there was none. Rejects with `unavailable`. */
  async delete(id: string): Promise<boolean> {
    if (this.get(id) === null) return false;
    this.#forget(id);
    await rm(join(this.#path, id), { force: true }).catch(refuseDisk);
    return true;
  }

  async #write(upload: Upload, content: Uint8Array): Promise<void> {
    const { fileName: file_name, mediaType: media_type, purpose, createdAtMs: created_at_ms, audience, owner } = upload;
    const draft = join(this.#path, upload.id + DRAFT);
    const file = await open(draft, "w", 0o600);
    try {
      await file.write(`${JSON.stringify({ version: 1, file_name, media_type, purpose, created_at_ms, audience, owner })}\n`);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, join(this.#path, upload.id)); // U1
  }

  async #read(id: string): Promise<{ readonly upload: Upload; readonly content: Uint8Array }> {
    const whole = await readFile(join(this.#path, id));
    const end = whole.indexOf(NEWLINE);
    const head = headSchema.parse(JSON.parse(whole.subarray(0, end).toString("utf8")));
    const content = whole.subarray(end + 1);
    const upload = {
      id,
      fileName: head.file_name,
      mediaType: head.media_type,
      purpose: head.purpose,
      bytes: content.length,
      createdAtMs: head.created_at_ms,
      audience: head.audience,
      owner: head.owner,
    };
    return { upload, content };
  }

  #keep(upload: Upload): void {
    this.#uploads.set(upload.id, upload);
    this.#bytes += upload.bytes;
  }

  #forget(id: string): void {
    this.#bytes -= this.#uploads.get(id)?.bytes ?? 0;
    this.#uploads.delete(id);
  }

  /** What is too old is removed from the disk, too. @returns how many files. Rejects with `unavailable`. */
  async dropOld(): Promise<number> {
    let dropped = 0;
    for (const upload of [...this.#uploads.values()]) {
      if (!this.#isOld(upload)) continue;
      this.#forget(upload.id);
      await rm(join(this.#path, upload.id), { force: true }).catch(refuseDisk);
      dropped += 1;
    }
    return dropped;
  }

  #isOld({ createdAtMs }: Upload): boolean {
    return this.#clock.wallMs() - createdAtMs > this.#limits.maxAgeMs; // U2
  }

  #newId(): string {
    let digits = "";
    while (digits.length < 24) digits += Math.floor(this.#random.next() * 16).toString(16);
    return `file-${digits}`;
  }
}

/** The greatest `more` with `own + more <= SHARE * (free - more)`; 0: none. */
function moreOf(own: number, free: number): number {
  return Math.max(0, Math.floor((SHARE * free - own) / (SHARE + 1)));
}

function refuseDisk(cause: unknown): never {
  const isFull = (cause as { readonly code?: unknown } | null)?.code === "ENOSPC";
  throw kennelError(isFull ? "storage_full" : "unavailable", { cause });
}
