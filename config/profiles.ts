import type { Profile } from "./schema.ts";

/** Where a profile's default differs from the schema's, by key. */
export const PROFILE_DEFAULTS: Readonly<Record<Profile, Readonly<Record<string, unknown>>>> = {
  development: {},
  test: { logLevel: "silent", loadDocumentation: false, "http.port": 0, "audit.to": "off", "drain.graceMs": 0, "drain.limitMs": 5_000 },
  production: { "drain.graceMs": 5_000, "drain.limitMs": 30_000, "audit.to": "log" },
};
