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

  /** 32 bits in hexadecimal. By hand: `toString(16)` takes ten times as long, on every request. */
  #word(): string {
    const bits = Math.floor(this.#random.next() * 0x1_0000_0000);
    return String.fromCharCode(
      digit(bits >>> 28),
      digit(bits >>> 24),
      digit(bits >>> 20),
      digit(bits >>> 16),
      digit(bits >>> 12),
      digit(bits >>> 8),
      digit(bits >>> 4),
      digit(bits),
    );
  }
}

/** The character code of the lowest four bits in hexadecimal. */
function digit(bits: number): number {
  const value = bits & 0xf;
  return value < 10 ? 0x30 + value : 0x57 + value;
}
