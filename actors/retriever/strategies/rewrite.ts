import { toKennelError } from "../../../runtime/errors.ts";
import type { LanguageModel } from "../../language_model/language_model.ts";
import { within } from "../pipeline/deadline.ts";
import { runOptional } from "../pipeline/optional_phase.ts";
import type { Embedded } from "../pipeline/retrieve.ts";
import type { SearchContext } from "../pipeline/search_context.ts";
import type { Mode } from "../search.ts";
import { legsOf, NOTHING_WRITTEN, type Rewriting, rewritingOf } from "./legs.ts";
import { writeHypothetical, writeSubQueries } from "./questions.ts";

/**
 * Phase 2, rewrite: what a language model writes for the query, embedded in one batch, becomes legs beside the question's own.
 * An optional phase (optional_phase.ts), left out as well when there is no model or the mode rules it out: the question alone is
 * then answered, and the answer says so.
 * Never rejects.
 */
export async function rewrite(context: SearchContext): Promise<void> {
  const { request, plan } = context.search;
  const wanted = rewritingOf(request);
  if (request.query === null || (!wanted.subQueries && !wanted.hypothetical)) return;
  const model = modelFor(context);
  if (model === null) return;
  const { query, options } = request;
  const written: Written = { subQueries: null, passage: null };
  const tasks = [
    ...(wanted.subQueries ? [(signal: AbortSignal) => askSubQueries(model, query, options.subQueries, written, signal)] : []),
    ...(wanted.hypothetical && plan.branches.includes("vector")
      ? [(signal: AbortSignal) => askHypothetical(model, query, written, signal)]
      : []),
  ];
  if (tasks.length === 0) return;
  const phase = { name: "rewrite", role: "language_model", share: context.parts.limits.rewriteShare } as const;
  await runOptional(context, phase, (signal) => allOrFirstFailure(tasks.map((task) => task(signal))));
  // What was written in time is used, whatever became of the rest.
  const { subQueries, passage } = written;
  if (subQueries === null && passage === null) return;
  if (request.explain) context.explain.rewrite = { sub_queries: subQueries ?? [], hypothetical: passage };
  context.legs = legsOf(request, plan, await embedWritten(context, query, subQueries ?? [], passage));
}

/** Reasons of a phase that had no time: the model may be well. */
const FOR_TIME: ReadonlySet<string> = new Set(["skipped_for_deadline", "shed", "deadline_exceeded"]);

/** Of an answer whose question a language model should have rewritten and has not; what was left out for time changes no mode. */
export function modeAfter({ search: { mode }, failures }: SearchContext): Mode {
  const lacksModel = failures.some(({ stage, reason }) => stage === "rewrite" && !FOR_TIME.has(reason));
  return mode === "full" && lacksModel ? "no_rewrite" : mode;
}

/** Null: the phase is left out; the context knows why. */
function modelFor(context: SearchContext): LanguageModel | null {
  const { languageModel } = context.parts;
  const { mode, plan } = context.search;
  if (languageModel === null) {
    context.degrade("rewrite", "not_configured", "language_model");
    return null;
  }
  if (mode === "no_rewrite" || plan.degradations.some(({ stage }) => stage === "rewrite")) {
    context.degrade("rewrite", "unavailable", "language_model");
    return null;
  }
  return languageModel;
}

interface Written {
  subQueries: readonly string[] | null;
  passage: string | null;
}

async function askSubQueries(model: LanguageModel, query: string, count: number, written: Written, signal: AbortSignal): Promise<void> {
  written.subQueries = await writeSubQueries(model, query, count, signal);
}

async function askHypothetical(model: LanguageModel, query: string, written: Written, signal: AbortSignal): Promise<void> {
  written.passage = await writeHypothetical(model, query, signal);
}

async function allOrFirstFailure(tasks: readonly Promise<void>[]): Promise<void> {
  const failure = (await Promise.allSettled(tasks)).find((outcome) => outcome.status === "rejected");
  if (failure !== undefined) throw failure.reason;
}

/** The question and what was written for it: questions in one call, beside it a passage as the documents are embedded. */
async function embedWritten(
  context: SearchContext,
  query: string,
  subQueries: readonly string[],
  passage: string | null,
): Promise<Rewriting> {
  const { plan, request } = context.search;
  if (!plan.branches.includes("vector")) return { ...NOTHING_WRITTEN, subQueries };
  const { clock } = context.parts;
  const startedMs = clock.monotonicMs();
  const given: readonly Embedded[] | null = request.vector === null ? null : [{ ok: true, vector: request.vector }];
  const questions = given === null ? [query, ...subQueries] : subQueries;
  const [asked, [made]] = await Promise.all([
    embedAll(context, questions, "query"),
    passage === null ? ([] as const) : embedAll(context, [passage], "document"),
  ]);
  if (asked.every(({ ok }) => ok) && made?.ok !== false) context.noted("embed", startedMs);
  else context.spent("embed", startedMs);
  const vectors = given === null ? asked : [...given, ...asked];
  if (made?.ok === false) context.degrade("embed", made.error.code, "embedding");
  return { subQueries, vectors, hypothetical: between(vectors[0], made) };
}

/** One a text, in order. Never rejects. */
async function embedAll(context: SearchContext, texts: readonly string[], purpose: "query" | "document"): Promise<readonly Embedded[]> {
  const { clock, model, limits } = context.parts;
  if (texts.length === 0) return [];
  try {
    const vectors = await context.traced("embed", () =>
      within(clock, context.deadline.share(limits.embedShare), context.signal, (signal) => model.embed(texts, purpose, signal)),
    );
    return texts.map((_, at) => ({ ok: true, vector: vectors[at] ?? null }));
  } catch (thrown) {
    const error = toKennelError(thrown);
    return texts.map(() => ({ ok: false, error }));
  }
}

/** The direction between a question and its made-up answer; null where one of the two is not known. */
function between(question: Embedded | undefined, passage: Embedded | undefined): Embedded | null {
  if (!question?.ok || !passage?.ok || question.vector === null || passage.vector === null) return null;
  const { vector } = passage;
  const sum = question.vector.map((component, at) => component + (vector[at] ?? 0));
  const length = Math.sqrt(sum.reduce((squares, component) => squares + component * component, 0));
  return length > 0 ? { ok: true, vector: sum.map((component) => component / length) } : null;
}
