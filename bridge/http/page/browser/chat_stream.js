/**
 * Server-sent events of a streamed chat, as OpenAI shapes them.
 * @import { ChatPart } from "../wire.ts"
 */

/** An event that is longer is no answer of ours. */
const MAX_EVENT_LENGTH = 1_048_576;

/**
 * Reads an answer as it comes. Leaving the loop ends the request.
 * @param {Response} response
 * @returns {AsyncGenerator<Exclude<ChatPart, { kind: "begin" }> | { readonly kind: "failed", readonly body: string }>}
 */
export async function* readChat(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      held += value ?? "";
      let end = held.indexOf("\n\n");
      while (end !== -1) {
        const event = held.slice(0, end);
        held = held.slice(end + 2);
        yield* partsOf(event);
        end = held.indexOf("\n\n");
      }
      if (done) return;
      if (held.length > MAX_EVENT_LENGTH) throw new TypeError("The answer cannot be read");
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * @param {string} event
 * @returns {Generator<Exclude<ChatPart, { kind: "begin" }> | { readonly kind: "failed", readonly body: string }>}
 */
function* partsOf(event) {
  const data = event.startsWith("data:") ? event.slice(5).trim() : "";
  if (data === "" || data === "[DONE]") return;
  const parsed = JSON.parse(data);
  if (parsed.error !== undefined) {
    yield { kind: "failed", body: data };
    return;
  }
  const delta = parsed.choices?.[0]?.delta ?? {};
  if (typeof delta.content === "string" && delta.content !== "") yield { kind: "text", text: delta.content };
  for (const annotation of delta.annotations ?? []) yield { kind: "citation", annotation };
}
