/** Randomness as an argument: production draws from the system, tests from a seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

export function systemRandom(): Random {
  return { next: Math.random };
}

/** The generator mulberry32 (Tommy Ettinger, public domain): the same seed gives the same sequence everywhere. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    },
  };
}
