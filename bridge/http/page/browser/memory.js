/** What the browser remembers for the page. One that keeps nothing (a private window, storage forbidden) just forgets. */

/**
 * @typedef {object} Memory
 * @property {(name: string) => string | null} read
 * @property {(name: string, value: string | null) => void} write null forgets
 */

/**
 * @param {() => Storage} storage asked each time, since already naming `localStorage` may throw
 * @returns {Memory}
 */
export function createMemory(storage) {
  return {
    read(name) {
      try {
        return storage().getItem(name);
      } catch {
        return null;
      }
    },
    write(name, value) {
      try {
        if (value === null) storage().removeItem(name);
        else storage().setItem(name, value);
      } catch {
        // Forgotten when the page is left.
      }
    },
  };
}
