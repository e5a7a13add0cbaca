/**
 * A failure as the page shows it: what happened, what to do, what to quote when asking for help.
 * @import { Failure } from "../wire.ts"
 */
import { element, icon } from "./element.js";
import { formatSpan } from "./format.js";

/** @type {Record<string, string>} */
const TITLES = {
  invalid_request: "This was not accepted",
  unauthorized: "This server asks for a key",
  forbidden: "The key does not allow this",
  not_found: "There is no such collection",
  payload_too_large: "The question is too long",
  overloaded: "The collection is busy",
  unavailable: "The collection cannot answer right now",
  draining: "This node is shutting down",
  degraded: "A full answer is not available",
  deadline_exceeded: "The answer took too long",
  timeout: "No answer in time",
  unreachable: "The server cannot be reached",
};

/**
 * @param {Failure} failure
 * @param {(() => void) | null} retry
 * @returns {HTMLElement}
 */
export function failureNotice(failure, retry) {
  const wait = failure.retryAfterMs === null ? null : ` Worth trying again in ${formatSpan(Math.ceil(failure.retryAfterMs / 1000))}.`;
  const again = failure.isRetryable && retry !== null ? element("button", { type: "button" }, "Try again") : null;
  if (again !== null && retry !== null) again.addEventListener("click", retry);
  const code = failure.status === 0 ? failure.code : `${failure.status} ${failure.code}`;
  return element(
    "div",
    { class: "notice bad", role: "alert" },
    icon("failed"),
    element(
      "div",
      {},
      element("h3", {}, TITLES[failure.code] ?? "Something went wrong"),
      element("p", {}, `${failure.message}.`, wait),
      failure.param === null ? null : element("p", {}, "Field ", element("code", {}, failure.param)),
      element("p", { class: "fine-print" }, code, failure.requestId === null ? null : ` · request ${failure.requestId}`),
      again,
    ),
  );
}
