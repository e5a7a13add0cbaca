import { kennelError } from "../../../runtime/errors.ts";
import type { RequestHeaders } from "../../../runtime/http_message.ts";
import type { Caller, Grant } from "../../keys/grant.ts";
import { flawOf, inOrder } from "../../keys/principals.ts";
import { refuse } from "../../schema/validate.ts";

/** Over HTTP and over NATS: principals with commas, each percent-encoded where it has one. */
const HEADER = "X-Kennel-Principals";
const HEADER_KEY = HEADER.toLowerCase();

/** On whose behalf a request asks; null: it does not say. Throws `invalid_request`. */
export function askedPrincipals(headers: RequestHeaders): readonly string[] | null {
  const value = headers.get(HEADER_KEY);
  if (value === null) return null;
  // Joined, as HTTP has it, one that a client has put beside a service's own would add to it.
  if (headers.isRepeated(HEADER_KEY)) throw refuse(HEADER, "is sent more than once", "one header, with commas between principals");
  const principals = value.split(",").flatMap((part) => (part.trim() === "" ? [] : [decoded(part.trim())]));
  const flaw = flawOf(principals);
  if (flaw !== null) throw kennelError("invalid_request", { param: HEADER, message: `${HEADER} ${flaw}` });
  return inOrder(principals);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refuse(HEADER, "is not percent-encoded UTF-8", "principals with commas, as user:ann,group:staff");
  }
}

/**
 * What a key allows on behalf of others: what it allows, for their documents.
 * @throws KennelError `forbidden` where it may not speak for them, which is never passed over in silence
 */
export function delegated(caller: Caller, principals: readonly string[]): Grant {
  if (!caller.mayDelegate)
    throw kennelError("forbidden", { param: HEADER, message: `The key may not say on whose behalf it asks; leave out ${HEADER}` });
  const own = caller.principals;
  if (own !== null && own.length > 0 && !principals.every((principal) => own.includes(principal)))
    throw kennelError("forbidden", { param: HEADER, message: `The key may speak for its own principals alone; ${HEADER} names others` });
  return { ...caller, principals, replacesUnseen: false };
}

/** Where callers need no key everyone is an administrator, and the header alone narrows what is seen. */
export function narrowed(principals: readonly string[]): Grant {
  return { scope: "admin", collections: "*", tenant: null, principals, replacesUnseen: false, owner: null };
}
