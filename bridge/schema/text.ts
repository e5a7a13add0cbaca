/** The kinds of strings that requests carry. Every text is well-formed Unicode without U+0000, which stores cut strings at. */
import { z } from "zod";

const NAME_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const JOB_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_ID_LENGTH = 512;

/** A collection's or alias's name: one token of a message subject. */
export const nameSchema = z
  .string()
  .regex(NAME_PATTERN, { error: "1 to 64 of A-Z, a-z, 0-9, _ and -" })
  .describe("A name: 1 to 64 of A-Z, a-z, 0-9, _ and -");

export const jobIdSchema = z
  .string()
  .regex(JOB_ID_PATTERN, { error: "a job's id: 1 to 64 of A-Z, a-z, 0-9, _ and -" })
  .describe("A job's id");

/** What `nameSchema` accepts. */
export function isName(text: string | undefined): text is string {
  return text !== undefined && NAME_PATTERN.test(text);
}

/** Free text; a lone surrogate, half of a character cut in two, becomes U+FFFD. */
export function textSchema(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .refine((text) => !text.includes("\u0000"), { error: "text without the character U+0000" })
    .overwrite((text) => text.toWellFormed())
    .meta({ pattern: "^[^\\u0000]*$" });
}

export const documentIdSchema = z
  .string()
  .min(1)
  .max(MAX_ID_LENGTH)
  .refine(isAddressable, { error: "text without control characters and lone surrogates, other than . and .." })
  .meta({
    description: "A document's id: 1 to 512 characters, none of them a control character; not . or ..",
    pattern: "^(?!\\.{1,2}$)[^\\u0000-\\u001f\\u007f-\\u009f]+$",
  });

/** Whether the id survives as a path segment of a URL. */
function isAddressable(id: string): boolean {
  return id !== "." && id !== ".." && id.isWellFormed() && !/\p{Cc}/u.test(id);
}
