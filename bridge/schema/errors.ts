import { z } from "zod";
import { ERROR_TABLE, type ErrorCode, type KennelError } from "../../runtime/errors.ts";

const ERROR_CODES = Object.keys(ERROR_TABLE) as ErrorCode[];

/** OpenAI's error shape. */
export const errorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.enum([...new Set(Object.values(ERROR_TABLE).map((row) => row.type))]),
      code: z.enum(ERROR_CODES),
      param: z.string().nullable().describe("The field at fault, as a path into the request"),
    }),
  })
  .meta({ id: "Error" });

export type WireError = z.output<typeof errorSchema>;

/** What a client may know of a failure: never its cause, and nothing of an `internal` one but the table's sentence. */
export function fromError(error: KennelError): WireError {
  const row = ERROR_TABLE[error.code];
  return {
    error: {
      message: error.code === "internal" ? row.say : error.message,
      type: row.type,
      code: error.code,
      param: error.param,
    },
  };
}
