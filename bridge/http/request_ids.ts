import type { HttpRequest } from "../../runtime/http_message.ts";
import type { Random } from "../../runtime/random.ts";

/** Not a key, which somebody has put into the wrong header: ids are written down. */
const WELL_FORMED = /^(?!kennel_)[A-Za-z0-9._:-]{1,128}$/;

/** Null: there is none, or not one to be written down and sent back. */
export function wellFormedId(given: string | null): string | null {
  return given !== null && WELL_FORMED.test(given) ? given : null;
}

/** A caller's own request id where it sent a well-formed one, else a new one. */
export class RequestIds {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  of(request: HttpRequest): string {
    return wellFormedId(request.headers.get("x-request-id")) ?? `req_${this.#word()}${this.#word()}`;
  }

  #word(): string {
    return Math.floor(this.#random.next() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  }
}
