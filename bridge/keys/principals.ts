/** Principals as a key has them and as a caller names them: `user:ann`, `group:staff`; any text of 1 to 256 characters. */

export const MAX_PRINCIPALS = 256;
export const MAX_PRINCIPAL_LENGTH = 256;

/** Why these are none; null: they are. */
export function flawOf(principals: readonly string[]): string | null {
  if (principals.length > MAX_PRINCIPALS) return `has ${principals.length} principals; allowed: at most ${MAX_PRINCIPALS}`;
  for (const principal of principals) {
    if (principal.length > MAX_PRINCIPAL_LENGTH)
      return `has a principal of ${principal.length} characters; allowed: at most ${MAX_PRINCIPAL_LENGTH}`;
    if (!principal.isWellFormed() || /\p{Cc}/u.test(principal))
      return "has a principal with a control character or half of one; allowed: other text";
  }
  return null;
}

/** Each once, in an order that does not depend on how they were given: they are part of keys. */
export function inOrder(principals: readonly string[]): readonly string[] {
  return [...new Set(principals)].sort();
}
