import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseDockerfile } from "../../../tooling/image/dockerfile.ts";

test("Stages, steps and settings of a Dockerfile are read, over lines that go on and comments between them", () => {
  const [build, last] = parseDockerfile(
    [
      "# what it is",
      "FROM node:24 AS build",
      "WORKDIR /app",
      "COPY a.json b.json ./",
      "RUN one && \\",
      "# in between",
      "    two",
      "FROM debian:12",
      "ARG VERSION=1",
      'LABEL title="A name" version="$VERSION"',
      "COPY --from=build --chown=1:1 /app /data",
      "ENV A=1 \\",
      "    B=two",
      "USER 1:1",
      "HEALTHCHECK --interval=10s \\",
      '    CMD ["check"]',
      'ENTRYPOINT ["start"]',
      'CMD ["serve"]',
    ].join("\n"),
  );
  assert.is(build?.name, "build");
  assert.equal(build?.steps, [
    { kind: "workdir", path: "/app" },
    { kind: "copy", from: null, owner: null, sources: ["a.json", "b.json"], target: "./" },
    { kind: "run", command: "one && two" },
  ]);
  assert.equal(last?.steps, [{ kind: "copy", from: "build", owner: "1:1", sources: ["/app"], target: "/data" }]);
  assert.equal(last?.environment, { A: "1", B: "two" });
  assert.equal(last?.labels, { title: "A name", version: "$VERSION" });
  assert.equal([last?.user, last?.healthCheck, last?.entrypoint, last?.command], ["1:1", ["check"], ["start"], ["serve"]]);
});

test("What it does not know is an error that shows the line", () => {
  assert.throws(() => parseDockerfile('FROM a\nSHELL ["sh"]'), /Unknown instruction: SHELL/);
  assert.throws(() => parseDockerfile("RUN a"), /Before the first FROM/);
});

test.run();
