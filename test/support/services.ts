/** Where `npm run test:services` has put what the tests under test/services/ need. */

/** Path of a Chromium that playwright-core can start. */
export function chromiumPath(): string {
  return provided("TEST_CHROMIUM");
}

/** Path of the schemathesis command. */
export function schemathesisPath(): string {
  return provided("TEST_SCHEMATHESIS");
}

function provided(variable: string): string {
  const value = process.env[variable];
  if (value === undefined) throw new Error(`${variable} is not set; run this test with: npm run test:services`);
  return value;
}
