import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ROOT } from "../../../tooling/command.ts";
import { FERRETDB } from "../../../tooling/services/ferretdb.ts";
import { makeOnce } from "../../../tooling/services/install.ts";
import { KUBERNETES_SERVER, KUBERNETES_TOOLS } from "../../../tooling/services/kubernetes.ts";

const test = suite("what the service tests install");

test("What an interrupted build has left is not taken for its result, and the next one begins anew", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kennel-install-"));
  const binary = join(folder, "server");
  try {
    const half = async (draft: string) => {
      writeFileSync(draft, "half");
      throw new Error("interrupted");
    };
    await makeOnce(binary, half).catch((thrown: Error) => assert.is(thrown.message, "interrupted"));
    assert.not.ok(existsSync(binary));
    let builds = 0;
    const whole = async (draft: string) => {
      builds += 1;
      assert.not.ok(existsSync(draft));
      writeFileSync(draft, "whole");
    };
    for (let call = 0; call < 2; call++) assert.is(await makeOnce(binary, whole), binary);
    assert.equal([readFileSync(binary, "utf8"), builds], ["whole", 1]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Version of a module in a go.mod below tooling/services. */
function required(file: string, module: string): string | undefined {
  const line = readFileSync(join(ROOT, "tooling/services", file), "utf8")
    .split("\n")
    .find((text) => text.includes(`${module} v`));
  return line?.split(" v")[1]?.split(" ")[0];
}

test("Folders of what is built carry the versions that are built", () => {
  const helm = required("kubernetes/tools/go.mod", "helm.sh/helm/v3");
  const kustomize = required("kubernetes/tools/go.mod", "sigs.k8s.io/kustomize/api");
  assert.is(KUBERNETES_TOOLS.what, `helm ${helm} and kustomize ${kustomize}`);
  assert.is(KUBERNETES_SERVER.what, `Kubernetes ${required("kubernetes/server/go.mod", "k8s.io/kubernetes")} and etcd`);
  assert.is(FERRETDB.what, `FerretDB ${required("ferretdb/go.mod", "github.com/FerretDB/FerretDB")}`);
});

test.run();
