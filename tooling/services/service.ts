/**
 * A real server or tool that the tests under test/services/ need. Where it lies is handed to them in environment
 * variables; where all of those are set already, they are used and nothing is installed.
 */
export interface RealService {
  /** As it is called in folders and on the command line: `ferretdb`. */
  readonly name: string;
  /** As people call it, with its version: `FerretDB 1.24.2`. */
  readonly what: string;
  /** The variables that `provide` gives values to; their names start with `TEST_`. */
  readonly variables: readonly string[];
  /** Installs it unless it is there, into a folder of .cache that carries its version. */
  provide(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
}

/** Thrown where an installation succeeded and what it should have brought is not there. */
export function missing(what: string, variable: string): never {
  throw new Error(`Cannot find ${what} after installing it; install it and set ${variable} to its path`);
}
