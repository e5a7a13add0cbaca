import { MODES, type Mode } from "../../actors/retriever/search.ts";

/** The worst of the modes that nodes have: what a client that asks any of them may meet. Empty: none has told its own. */
export function worstMode(told: Iterable<string>): Mode | "" {
  let worst = -1;
  for (const mode of told) worst = Math.max(worst, MODES.indexOf(mode as Mode)); // one of a later version says nothing here
  return MODES[worst] ?? "";
}
