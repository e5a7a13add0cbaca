import { type KennelError, neverReached } from "../runtime/errors.ts";
import type { ChildState } from "./child.ts";
import type { Gate } from "./kernel/actor.ts";

/**
 * What a child takes in each of its states.
 * @param isBreakerOpen open or half open: control messages only, for the probe
 * @param takesWork whether a draining child still works through its mailbox
 */
export function gateFor(state: ChildState, isBreakerOpen: boolean, takesWork: boolean, refusal: () => KennelError): Gate {
  switch (state.kind) {
    case "ready":
      return { admits: "all", takesWork: true, refusal };
    case "starting":
    case "probing":
      return { admits: isBreakerOpen ? "control" : "all", takesWork: false, refusal };
    case "draining":
      return { admits: "none", takesWork, refusal };
    case "suspended":
    case "stopped":
      return { admits: "none", takesWork: false, refusal };
    default:
      return neverReached(state);
  }
}
