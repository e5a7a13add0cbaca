import { createRequire } from "node:module";

/**
 * The one place that touches nact, typed for what the kernel uses of it: nact's own declaration is an ambient module that
 * `NodeNext` resolution does not accept. nact gives an actor its place in a system and its turns on the event loop.
 */

/** One incarnation as nact knows it: something that takes turns, one after another. */
export interface Turns {
  /** Asks for a turn. At most one is asked for at a time; the caller sees to that. */
  request(): void;
  /** No turn begins after it; a turn that runs is not interrupted. */
  stop(): void;
}

export interface TurnSystem {
  /** @param name unique among the running; @param onTurn must neither throw nor reject, nact's own resets are never used */
  spawn(name: string, onTurn: () => void | Promise<void>): Turns;
  stop(): void;
}

interface NactReference {
  readonly path: object;
}

interface Nact {
  start(): NactReference;
  spawnStateless(parent: NactReference, receive: () => void | Promise<void>, name: string): NactReference;
  dispatch(actor: NactReference, message: string): void;
  stop(actor: NactReference): void;
}

/** A turn is all that a message means to nact; what the turn is about waits in the actor's own lanes. */
const TURN = "turn";

export function createTurnSystem(): TurnSystem {
  const require = createRequire(import.meta.url);
  const nact = require("nact") as Nact;
  // Without a name nact draws one, so that two kernels in one process never share a system.
  const system = nact.start();
  return {
    spawn(name, onTurn) {
      const reference = nact.spawnStateless(system, onTurn, nactName(name));
      return {
        request: () => nact.dispatch(reference, TURN),
        stop: () => nact.stop(reference),
      };
    },
    stop: () => nact.stop(system),
  };
}

/** nact allows `[a-z0-9-$_.+!*'(),]` only; the replacements occur in no path of ours, so distinct names stay distinct. */
function nactName(name: string): string {
  return name.replaceAll("/", ",").replaceAll(":", "!").replaceAll("#", "+");
}
