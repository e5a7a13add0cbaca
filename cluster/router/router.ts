import type { Clock, Timer } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import { Budget } from "./budget.ts";
import type { Candidate } from "./candidates.ts";
import { Durations } from "./durations.ts";
import {
  openRoute,
  type Route,
  type RouteEffect,
  type RouteError,
  type RouteEvent,
  type RouteOptions,
  stepRoute,
  wakesAtMs,
} from "./route.ts";

export interface RouterOptions extends RouteOptions {
  /** Queries that are open at a time; more are refused with `overloaded`. */
  readonly maxOpen: number;
  /** Hedges for each query, and how many may come in a burst. */
  readonly hedgeShare: number;
  readonly hedgeBurst: number;
  /** No hedge before this, however fast answers are. */
  readonly minHedgeMs: number;
  /** Queries that are sent again because nothing was heard, for each query, and in a burst. */
  readonly resendShare: number;
  readonly resendBurst: number;
}

/** How an attempt has ended. */
export type Sent<Answer> = { readonly kind: "answer"; readonly answer: Answer } | { readonly kind: "error"; readonly error: RouteError };

export interface RouterPorts<Request, Answer> {
  readonly clock: Clock;
  readonly random: Random;
  candidates(collection: string): readonly Candidate[];
  /** Whether there are hedges at all now. */
  mayHedge(): boolean;
  /** Asks a node, this one included; it serves the query itself and sends it nowhere. Calls `settle` at most once. @returns cancels */
  send(node: string, request: Request, timeoutMs: number, settle: (sent: Sent<Answer>) => void): () => void;
}

export interface RouterCounts {
  readonly queries: number;
  readonly sends: Readonly<Record<string, number>>;
  /** Answers that came after another had settled their query. */
  readonly superfluous: number;
}

interface OpenQuery<Request, Answer> {
  readonly collection: string;
  readonly request: Request;
  readonly settle: (sent: Sent<Answer>) => void;
  route: Route;
  readonly cancels: Map<number, () => void>;
  readonly answers: Map<number, Answer>;
  timer: Timer | null;
}

/** Carries out what route.ts decides, for all queries of a node. */
export class Router<Request, Answer> {
  readonly #ports: RouterPorts<Request, Answer>;
  readonly #options: RouterOptions;
  readonly #open = new Set<OpenQuery<Request, Answer>>();
  readonly #outstanding = new Map<string, number>();
  readonly #hedges: Budget;
  readonly #resends: Budget;
  readonly #durations = new Durations();
  readonly #sends: Record<string, number> = {};
  #queries = 0;
  #superfluous = 0;

  constructor(ports: RouterPorts<Request, Answer>, options: RouterOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#hedges = new Budget(options.hedgeShare, options.hedgeBurst);
    this.#resends = new Budget(options.resendShare, options.resendBurst);
  }

  get counts(): RouterCounts {
    return { queries: this.#queries, sends: { ...this.#sends }, superfluous: this.#superfluous };
  }

  get open(): number {
    return this.#open.size;
  }

  outstanding(node: string): number {
    return this.#outstanding.get(node) ?? 0;
  }

  /** Calls `settle` exactly once, at the deadline at the latest. @returns cancels: `settle` is not called any more */
  query(collection: string, request: Request, timeoutMs: number, settle: (sent: Sent<Answer>) => void): () => void {
    const { clock } = this.#ports;
    if (this.#open.size >= this.#options.maxOpen) {
      settle({ kind: "error", error: { kind: "refused", cause: kennelError("overloaded") } });
      return () => undefined;
    }
    this.#queries += 1;
    this.#hedges.count();
    this.#resends.count();
    const p95Ms = this.#durations.p95Ms(collection);
    const hedgeAfterMs = p95Ms === null ? null : Math.max(this.#options.minHedgeMs, p95Ms);
    const query: OpenQuery<Request, Answer> = {
      collection,
      request,
      settle,
      route: openRoute(clock.monotonicMs(), timeoutMs, hedgeAfterMs),
      cancels: new Map(),
      answers: new Map(),
      timer: null,
    };
    this.#open.add(query);
    this.#step(query, { kind: "begun" });
    return () => this.#abandon(query);
  }

  /** Asks others what that node was asked and has not answered. */
  suspect(node: string): void {
    for (const query of [...this.#open]) this.#step(query, { kind: "suspected", node });
  }

  #step(query: OpenQuery<Request, Answer>, event: RouteEvent): void {
    const { clock, random } = this.#ports;
    const [route, effects] = stepRoute(query.route, event, {
      nowMs: clock.monotonicMs(),
      candidates: () => this.#ports.candidates(query.collection),
      random,
      options: this.#options,
      canHedge: () => this.#ports.mayHedge() && this.#hedges.canSpend,
      canResend: () => this.#resends.canSpend,
    });
    query.route = route;
    for (const effect of effects) this.#carryOut(query, effect);
    this.#setTimer(query);
  }

  #carryOut(query: OpenQuery<Request, Answer>, effect: RouteEffect): void {
    switch (effect.kind) {
      case "send":
        this.#send(query, effect);
        return;
      case "cancel":
        query.cancels.get(effect.attempt)?.();
        return;
      case "answer":
        this.#settle(query, { kind: "answer", answer: query.answers.get(effect.attempt) as Answer });
        return;
      case "fail": {
        const timeout: RouteError = { kind: "final", cause: kennelError("deadline_exceeded") };
        this.#settle(query, { kind: "error", error: effect.isLate ? timeout : (effect.error ?? timeout) });
        return;
      }
    }
  }

  #send(query: OpenQuery<Request, Answer>, { attempt, timeoutMs, reason }: Extract<RouteEffect, { kind: "send" }>): void {
    const { clock } = this.#ports;
    const { node, number } = attempt;
    if (reason === "hedge") this.#hedges.spend();
    if (reason === "late") this.#resends.spend();
    this.#sends[reason] = (this.#sends[reason] ?? 0) + 1;
    this.#outstanding.set(node, this.outstanding(node) + 1);
    let isEnded = false;
    const end = (): boolean => {
      if (isEnded) return false;
      isEnded = true;
      query.cancels.delete(number);
      const left = this.outstanding(node) - 1;
      if (left > 0) this.#outstanding.set(node, left);
      else this.#outstanding.delete(node);
      return true;
    };
    let stop: (() => void) | null = null;
    query.cancels.set(number, () => {
      if (end()) stop?.();
    });
    stop = this.#ports.send(node, query.request, timeoutMs, (sent) => {
      if (!end()) {
        if (sent.kind === "answer") this.#superfluous += 1;
        return;
      }
      if (sent.kind === "error") return this.#step(query, { kind: "failed", attempt: number, error: sent.error });
      this.#durations.note(query.collection, clock.monotonicMs() - attempt.sentMs);
      query.answers.set(number, sent.answer);
      this.#step(query, { kind: "answered", attempt: number });
    });
  }

  #settle(query: OpenQuery<Request, Answer>, sent: Sent<Answer>): void {
    if (!this.#open.delete(query)) return;
    query.settle(sent);
  }

  #abandon(query: OpenQuery<Request, Answer>): void {
    if (!this.#open.delete(query)) return;
    query.route = { kind: "settled" };
    query.timer?.cancel();
    for (const cancel of [...query.cancels.values()]) cancel();
  }

  #setTimer(query: OpenQuery<Request, Answer>): void {
    query.timer?.cancel();
    query.timer = null;
    const atMs = wakesAtMs(query.route);
    if (atMs === null) return;
    const { clock } = this.#ports;
    query.timer = clock.setTimer(Math.max(0, atMs - clock.monotonicMs()), () => this.#step(query, { kind: "woken" }));
  }
}
