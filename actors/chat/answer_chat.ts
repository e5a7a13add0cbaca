import { Buffer } from "node:buffer";
import { unlessAborted } from "../../runtime/cancellation.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type ErrorCode, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { MessageHeaders } from "../../transport/transport.ts";
import type { ServiceView } from "../coordinator/modes.ts";
import type { ChatPart, ChatUsage, LanguageModel } from "../language_model/language_model.ts";
import { cut, visibleText } from "../language_model/quoting.ts";
import { DEFAULT_OPTIONS, type Degradation, type EncodedAnswer, type Hit, type Mode, type SearchRequest } from "../retriever/search.ts";
import type { ChatEvent, ChatQuestion } from "./chat.ts";
import { CitationReader } from "./citations.ts";
import { extractiveAnswer } from "./extractive.ts";
import { buildPrompt, type Passage, type PromptLimits } from "./prompt.ts";
import { hasHistory, rewriteQuestion } from "./rewrite.ts";

const MAX_QUERY_TOKENS = 1_000;
const CANDIDATES = 100;
/** Rewriting may take this share of the time, and no longer than the limit. */
const REWRITE_SHARE = 0.2;
const MAX_REWRITE_MS = 5_000;
/** By this share of the time the model has begun, or the passages answer: they need what is left. */
const BEGIN_SHARE = 0.7;
/** What an answer without a model can stand in for; anything else is the caller's to know. */
const SURVIVABLE: readonly ErrorCode[] = ["unavailable", "overloaded", "draining"];

export interface ChatMetrics {
  /** Marks in answers, by whether their passage says what it is cited for. */
  citations(outcome: "supported" | "dropped", count: number): void;
}

export interface ChatParts {
  readonly clock: Clock;
  /** Null: none is configured. */
  readonly model: LanguageModel | null;
  /** Whether an operator's mode does without it now. */
  readonly isRuledOut: () => boolean;
  /** The model's service, and how its breaker stands now. */
  readonly service: () => ServiceView;
  readonly search: (request: SearchRequest, headers: MessageHeaders, signal: AbortSignal) => Promise<EncodedAnswer>;
  readonly prompt: PromptLimits;
  readonly metrics: ChatMetrics;
}

/**
 * Answers a conversation from a collection: rewriting, search, prompt, the model's answer with its citations checked. Without
 * a model that answers the passages do. The first event is given when the model has begun, so that its mode is the answer's.
 * Throws what the search does, `unavailable` where the model breaks off, `invalid_request` where it refuses, the cancellation.
 */
export async function* answerChat(
  parts: ChatParts,
  question: ChatQuestion,
  headers: MessageHeaders,
  signal: AbortSignal,
): AsyncGenerator<ChatEvent> {
  const { clock } = parts;
  const isRuledOut = parts.isRuledOut();
  const model = isRuledOut ? null : parts.model;
  const endsAtMs = clock.monotonicMs() + headers.timeoutMs;
  const late = AbortSignal.timeout(Math.round(headers.timeoutMs * BEGIN_SHARE));
  const degradations: Degradation[] = [];
  const spent = { promptTokens: 0, answerTokens: 0 };
  const miss = (stage: string, reason: string) => degradations.push({ stage, reason, ...parts.service() });
  let query = cut(visibleText(question.messages.at(-1)?.content ?? ""), MAX_QUERY_TOKENS);
  if (model !== null && hasHistory(question.messages)) {
    const limit = AbortSignal.timeout(Math.round(Math.min(MAX_REWRITE_MS, headers.timeoutMs * REWRITE_SHARE)));
    try {
      const rewritten = await unlessAborted(rewriteQuestion(model, question.messages, AbortSignal.any([signal, limit])), signal);
      query = rewritten.query;
      add(spent, rewritten.usage);
    } catch (thrown) {
      signal.throwIfAborted();
      miss("rewrite", limit.aborted ? "skipped_for_deadline" : toKennelError(thrown).code);
    }
  }
  const { hits, rest } = await parts.search(
    searchOf(question, query),
    { ...headers, timeoutMs: Math.max(1, endsAtMs - clock.monotonicMs()) },
    signal,
  );
  const found = (JSON.parse(Buffer.from(hits).toString("utf8")) as readonly Hit[]).map(toPassage);
  const start = (): ChatEvent => ({
    kind: "start",
    // What was left out for lack of time says nothing about the model.
    mode: degradations.every(({ reason }) => reason === "skipped_for_deadline") ? rest.mode : withoutModel(rest.mode),
    degradations: [...rest.degradations, ...degradations],
  });
  const prompt = buildPrompt(question.messages, found, parts.prompt);
  const passages = found.slice(0, prompt.passages);
  const { maxTokens, temperature } = question;
  const givenUp = new AbortController();
  const within = AbortSignal.any([signal, givenUp.signal]);
  const stream = model?.chat({ messages: prompt.messages, maxTokens, temperature }, within)[Symbol.asyncIterator]();
  try {
    const first = await begin(stream, (code) => miss("answer", isRuledOut ? "forced" : code), AbortSignal.any([signal, late]), signal);
    yield start();
    if (first === null || stream === undefined) {
      yield* extractiveAnswer(found);
      yield { kind: "end", reason: "stop", usage: spent };
      return;
    }
    yield* written(first, stream, passages, spent, parts.metrics);
  } finally {
    givenUp.abort(kennelError("cancelled"));
    await stream?.return?.();
  }
}

/** The model's first part; null: there is no model, or none that answers until `late`. */
async function begin(
  stream: AsyncIterator<ChatPart> | undefined,
  miss: (reason: string) => void,
  late: AbortSignal,
  signal: AbortSignal,
): Promise<ChatPart | null> {
  if (stream === undefined) {
    miss("not_configured");
    return null;
  }
  try {
    const next = await unlessAborted(stream.next(), late);
    return next.done === true ? null : next.value;
  } catch (thrown) {
    const error = toKennelError(thrown);
    if (late.aborted && !signal.aborted) {
      miss("skipped_for_deadline");
      return null;
    }
    if (signal.aborted || !SURVIVABLE.includes(error.code)) throw error;
    miss(error.code);
    return null;
  }
}

async function* written(
  first: ChatPart,
  stream: AsyncIterator<ChatPart>,
  passages: readonly Passage[],
  spent: { promptTokens: number; answerTokens: number },
  metrics: ChatMetrics,
): AsyncGenerator<ChatEvent> {
  const reader = new CitationReader(passages);
  try {
    for (let part: ChatPart | null = first; part !== null; part = await nextOf(stream)) {
      if (part.kind === "text") {
        yield* reader.read(part.text);
        continue;
      }
      yield* reader.read("", true);
      add(spent, part.usage);
      yield { kind: "end", reason: part.reason, usage: spent };
    }
  } finally {
    metrics.citations("supported", reader.supported);
    metrics.citations("dropped", reader.dropped);
  }
}

async function nextOf(stream: AsyncIterator<ChatPart>): Promise<ChatPart | null> {
  const next = await stream.next();
  return next.done === true ? null : next.value;
}

function searchOf({ collection, topK, filter }: ChatQuestion, query: string): SearchRequest {
  return {
    collection,
    query,
    vector: null,
    strategy: "hybrid",
    options: DEFAULT_OPTIONS,
    topK,
    candidateK: CANDIDATES,
    filter,
    fusion: null,
    groupBy: null,
    scoreThreshold: null,
    allowDegraded: null,
    minVersion: null,
    include: ["text"],
    rerank: false,
    explain: false,
    useCache: true,
  };
}

function toPassage({ id, document_id: documentId, title, url, text }: Hit): Passage {
  return { id, documentId, title, url, text: text ?? "" };
}

/** The mode of an answer that lacks the model: a search that lacks more has said so already. */
function withoutModel(mode: Mode): Mode {
  return mode === "full" ? "no_rewrite" : mode;
}

function add(spent: { promptTokens: number; answerTokens: number }, usage: ChatUsage | null): void {
  spent.promptTokens += usage?.promptTokens ?? 0;
  spent.answerTokens += usage?.answerTokens ?? 0;
}
