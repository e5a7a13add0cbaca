import { z } from "zod";
import { named, secret, setting } from "./setting.ts";
import { count, milliseconds } from "./value_types.ts";

/** Models and what they are asked with. */
export const MODEL_SETTINGS = {
  embeddingCalls: {
    callTimeoutMs: setting(milliseconds(600_000), 30_000, "Longest call of the model"),
    windowMs: setting(
      z.int().min(0).max(1_000),
      0,
      "How long the first text of a batch waits for the built-in model; 0: for those of the same moment",
    ),
    maxWaitingTexts: setting(count(), 10_000, "Texts that wait for the model; beyond it `overloaded`"),
    maxConcurrentCalls: setting(count(1_000), 2, "Calls of the built-in model at once"),
  },

  openai: {
    apiKeys: named(
      "OPENAI_API_KEY",
      secret(z.string().max(10_000), "", "Key of OpenAI, or of what is at `baseUrls`; one for each with commas"),
    ),
    baseUrls: named(
      "OPENAI_BASE_URL",
      setting(
        z.array(z.string()).max(16),
        [],
        "Addresses of servers that speak OpenAI's protocol and have the same model, with commas; none: OpenAI's own",
      ),
    ),
    weights: setting(z.array(count(1_000)).max(16), [], "Shares of the calls that the deployments get, in their order; none: the same"),
    dimensions: setting(
      z.int().min(0).max(65_536),
      0,
      "Length of the vectors to ask for, where the model can shorten them; 0: the model's own",
    ),
    minConnections: setting(count(1_000), 2, "Connections to one deployment that calls can always have"),
    maxConnections: setting(count(1_000), 8, "Connections to one deployment, at most: between the two, how long calls wait decides"),
    growAfterMs: setting(milliseconds(60_000), 20, "A call that has waited this long for a connection gets another one"),
    maxWaiting: setting(count(), 1_000, "Calls that wait for a connection to one deployment; beyond it `overloaded`"),
    idleMs: setting(milliseconds(), 60_000, "Time after which an unused connection is closed"),
    connectTimeoutMs: setting(milliseconds(600_000), 5_000, "Time that opening a connection may take"),
    attemptTimeoutMs: setting(milliseconds(600_000), 10_000, "Time one attempt of a call may take"),
    maxRetries: setting(z.int().min(0).max(10), 2, "Attempts after the first, other deployments aside"),
    retryDelayMs: setting(milliseconds(60_000), 200, "Pause before the first retry, doubled with each; jittered"),
    maxRetryDelayMs: setting(
      milliseconds(60_000),
      2_000,
      "Longest pause; where the provider asks for a longer one, the call fails at once",
    ),
    windowMs: setting(z.int().min(0).max(1_000), 3, "How long the first text of a batch waits for company"),
    maxInputs: setting(count(2_048), 256, "Texts in one call"),
    maxTokens: setting(count(10_000_000), 250_000, "Tokens in one call, estimated at three bytes each"),
    dollarsPerMillionTokens: setting(z.number().min(0).max(10_000), 0, "Price for the metrics; 0: the list price of a model that is known"),
  },

  azure: {
    endpoints: named(
      "AZURE_OPENAI_ENDPOINT",
      setting(z.array(z.string()).max(16), [], "Addresses of the Azure resources, with commas: one for all deployments, or one for each"),
    ),
    apiKeys: named("AZURE_OPENAI_API_KEY", secret(z.string().max(10_000), "", "Key of the resource; one for each with commas")),
    apiVersion: named("AZURE_OPENAI_API_VERSION", setting(z.string().min(1).max(64), "2024-10-21", "Version of Azure's interface")),
  },

  chatCalls: {
    callTimeoutMs: setting(milliseconds(600_000), 120_000, "Longest answer of the language model, from its first to its last part"),
    dollarsPerMillionPromptTokens: setting(
      z.number().min(0).max(10_000),
      0,
      "Price of what the model reads, for the metrics; 0: its cost is not counted",
    ),
    dollarsPerMillionAnswerTokens: setting(
      z.number().min(0).max(10_000),
      0,
      "Price of what the model writes, for the metrics; 0: its cost is not counted",
    ),
  },

  prompt: {
    maxTokens: setting(
      z.int().min(1_024).max(2_000_000),
      6_000,
      "Tokens of a chat's whole prompt, the answer aside, by an upper guess; below what the language model takes",
    ),
    maxQuestionTokens: setting(count(1_000_000), 2_000, "Of it, for the question, and never more than a third"),
    maxPassageTokens: setting(count(1_000_000), 800, "Of it, for one passage"),
    maxSystemTokens: setting(count(1_000_000), 1_000, "Of it, for the caller's own system messages, and never more than a sixth"),
    maxHistoryMessages: setting(z.int().min(0).max(1_000), 20, "Messages before the question, as far as the tokens go"),
  },
};
