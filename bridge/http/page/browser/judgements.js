/**
 * Judged questions as people paste them.
 * @import { JudgedQuestion } from "../wire.ts"
 */

/** Larger texts are for the command line. */
export const MAX_JUDGEMENTS_LENGTH = 4_000_000;
/** A UTF-16 unit has at most so many bytes as UTF-8. */
const MAX_BYTES_PER_UNIT = 3;
const TOO_LARGE = "That is too much for this page; the command line takes it: kennel eval";

/**
 * The text of a file that somebody has chosen; one that is too large, or has gone meanwhile, is not read.
 * @param {Blob} file
 * @returns {Promise<{ readonly text: string } | { readonly problem: string }>}
 */
export async function readChosen(file) {
  if (file.size > MAX_JUDGEMENTS_LENGTH * MAX_BYTES_PER_UNIT) return { problem: TOO_LARGE };
  try {
    return { text: await file.text() };
  } catch {
    return { problem: "The file cannot be read" };
  }
}

/**
 * Reads one JSON object a line, a JSON array of them, or the body of a request with `queries`.
 * @param {string} text
 * @returns {{ readonly questions: readonly JudgedQuestion[] } | { readonly problem: string }}
 */
export function readJudgements(text) {
  const trimmed = text.trim();
  if (trimmed === "") return { problem: "Nothing is judged yet" };
  if (trimmed.length > MAX_JUDGEMENTS_LENGTH) return { problem: TOO_LARGE };
  const whole = parsed(trimmed);
  if (Array.isArray(whole)) return checked(whole, (at) => `Question ${at}`);
  if (whole !== undefined && Array.isArray(whole.queries)) return checked(whole.queries, (at) => `Question ${at}`);
  const lines = trimmed.split("\n").flatMap((line, at) => (line.trim() === "" ? [] : [{ at: at + 1, line }]));
  const values = lines.map(({ line }) => parsed(line));
  const broken = values.indexOf(undefined);
  if (broken !== -1) return { problem: `Line ${lines[broken]?.at} is no JSON` };
  return checked(values, (at) => `Line ${lines[at - 1]?.at}`);
}

/**
 * @param {readonly unknown[]} values
 * @param {(at: number) => string} place of the one at this place, from 1
 */
function checked(values, place) {
  /** @type {JudgedQuestion[]} */
  const questions = [];
  for (const [index, value] of values.entries()) {
    const { query, relevant } = /** @type {Record<string, unknown>} */ (value ?? {});
    if (typeof query !== "string" || query.trim() === "") return { problem: `${place(index + 1)} has no "query"` };
    const grades = typeof relevant === "object" && relevant !== null ? Object.values(relevant) : [];
    if (!grades.some((grade) => typeof grade === "number" && grade > 0))
      return { problem: `${place(index + 1)} has no document with a grade above 0 in "relevant"` };
    questions.push({ query, relevant: /** @type {Record<string, number>} */ (relevant) });
  }
  return { questions };
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
