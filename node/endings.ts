/** What takes down one thing that a start has built. */
export type Ending = (reason: string) => unknown;

/** Last built, first taken down; one that fails keeps none of the others from it. Never rejects. */
export async function endAll(endings: readonly Ending[], reason: string, onFailure: (thrown: unknown) => void): Promise<void> {
  for (const end of endings.toReversed()) {
    try {
      await end(reason);
    } catch (thrown) {
      onFailure(thrown);
    }
  }
}
