/**
 * From a zod schema's verdict to an `invalid_request` that names the field, what was given and what is allowed.
 * What was given is shown short: a request of megabytes never comes back in an error.
 */
import { z } from "zod";
import { type KennelError, kennelError } from "../../runtime/errors.ts";

type Path = readonly PropertyKey[];

/** Checks `input` and returns what the schema makes of it; throws `invalid_request` for the first thing that is wrong. */
export function validate<Schema extends z.ZodType>(schema: Schema, input: unknown, at: Path = []): z.output<Schema> {
  const verdict = schema.safeParse(input);
  if (verdict.success) return verdict.data;
  const [issue] = verdict.error.issues;
  if (issue === undefined) throw kennelError("invalid_request");
  throw fromIssue(issue, input, at);
}

/** An object schema that refuses fields it does not know, and says which it knows. */
export function strictObject<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, { error: (issue) => (issue.code === "unrecognized_keys" ? known : undefined) });
}

/** A field at fault, or the whole body where `param` is empty: `top_k is 0; allowed: at least 1`. */
export function refuse(param: string, given: string, allowed: string, cause?: unknown): KennelError {
  const message = `${param === "" ? "The body" : param} ${given}; allowed: ${allowed}`;
  return kennelError("invalid_request", { message, ...(param === "" ? {} : { param }), cause });
}

/** What was given, short enough for a message. */
export function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (typeof value === "string") return value.length > 64 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** `filters.filters[0].key` */
export function paramOf(path: Path): string {
  let param = "";
  for (const step of path) {
    if (typeof step === "number") param += `[${step}]`;
    else param += `${param === "" ? "" : "."}${String(step).slice(0, 64)}`;
  }
  return param;
}

function fromIssue(issue: z.core.$ZodIssue, input: unknown, at: Path): KennelError {
  const path = [...at, ...issue.path];
  if (issue.code === "unrecognized_keys") return refuse(paramOf([...path, issue.keys[0] ?? ""]), "is not known here", issue.message);
  if (issue.code === "invalid_key") return refuse(paramOf(path), "is not a valid key", issue.issues[0]?.message ?? "another key");
  const given = valueAt(input, issue.path);
  const state = given === undefined ? "is missing" : `is ${describe(given)}`;
  return refuse(paramOf(path), state, allowedBy(issue));
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

function allowedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.expected === "int" ? "a whole number" : `${article(issue.expected)}`;
    case "invalid_value":
      return issue.values.map((value) => String(value)).join(", ");
    case "too_small":
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case "invalid_union":
      return unionOptions(issue);
    default:
      return issue.message;
  }
}

function unionOptions(issue: z.core.$ZodIssueInvalidUnion): string {
  if ("options" in issue && issue.options !== undefined) return issue.options.map(String).join(", ");
  const options = issue.errors.map(([first]) => (first === undefined ? "" : allowedBy(first))).filter((option) => option !== "");
  return [...new Set(options)].join(", or ") || issue.message;
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters";
  return origin === "array" ? " items" : "";
}

function article(type: string): string {
  if (type === "array") return "a list";
  if (type === "record") return "an object";
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}
