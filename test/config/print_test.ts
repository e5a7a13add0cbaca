import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { loadConfig } from "../../config/load.ts";
import { servePermissions } from "../../config/permissions.ts";
import { allSettingsTables, everydaySettingsTable, printableConfig } from "../../config/print.ts";
import { SETTINGS } from "../../config/schema.ts";
import { listSettings, secret } from "../../config/setting.ts";

const test = suite("printed configuration");

const load = (environment: Record<string, string> = {}) =>
  loadConfig({ environment, readFile: () => null, hostName: () => "host", workingFolder: "/srv" });

test("A printed configuration masks secrets that are set and shows everything else", () => {
  const group = { http: { host: secret(z.string(), "", "A secret") }, dataDir: SETTINGS.dataDir };
  const printed = printableConfig(load(), listSettings(group)) as { http: { host: string; port: number }; dataDir: string };
  assert.is(printed.http.host, "[masked]");
  assert.is(printed.http.port, 7_400);
  assert.is(printed.dataDir, "/srv/data");
});

test("The settings' documentation names every setting with its variable", () => {
  const text = readFileSync(new URL("../../config/SETTINGS.md", import.meta.url), "utf8");
  assert.match(text, allSettingsTables());
  for (const setting of listSettings(SETTINGS)) {
    const name = setting.path[0] === "supervision" ? `| \`${setting.path[2]}\` |` : `| \`${setting.key}\` | \`${setting.env}\` |`;
    assert.match(text, name);
  }
});

test("The README shows the everyday settings as the schema has them", () => {
  assert.match(readFileSync(new URL("../../README.md", import.meta.url), "utf8"), everydaySettingsTable());
});

test("Serving may listen where the configuration says, write the data folder, and start no process", () => {
  const permissions = servePermissions(
    load({ KENNEL_HTTP_PORT: "7500", KENNEL_DATA_DIR: "/var/lib/a,b" }),
    "/opt/kennel",
    "/opt/packages",
    "/etc/kennel.json",
  );
  assert.ok(permissions.includes("--allow-net=127.0.0.1:7500"));
  assert.ok(permissions.includes("--allow-write=/var/lib/a,,b"));
  assert.ok(permissions.includes("--allow-ffi=/opt/packages"));
  assert.match(permissions[0] ?? "", /^--allow-read=.*,\/etc\/kennel.json,/);
  assert.ok(permissions.every((permission) => permission !== "--allow-all" && !permission.startsWith("--allow-run")));
  const fetching = servePermissions(load({ KENNEL_URL_INGEST: "on", KENNEL_URL_FETCH_HOSTS: "*" }), "/", "/packages", "/kennel.json");
  assert.ok(fetching.includes("--allow-net"), "which hosts are asked is known only then");
  assert.ok(servePermissions(load({ KENNEL_HTTP_HOST: "::1" }), "/", "/packages", "/kennel.json").includes("--allow-net=[::1]:7400"));
});

test.run();
