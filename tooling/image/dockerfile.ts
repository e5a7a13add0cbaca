/** A Dockerfile as data: as much of its language as ours uses; anything else is an error. */
export type Instruction =
  | {
      readonly kind: "copy";
      readonly from: string | null;
      readonly sources: readonly string[];
      readonly target: string;
      readonly owner: string | null;
    }
  | { readonly kind: "run"; readonly command: string }
  | { readonly kind: "workdir"; readonly path: string };

export interface Stage {
  readonly name: string;
  readonly image: string;
  readonly steps: readonly Instruction[];
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly arguments: Readonly<Record<string, string>>;
  readonly user: string | null;
  readonly healthCheck: readonly string[] | null;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

type Draft = { -readonly [Name in keyof Stage]: Stage[Name] };

/** @throws Error naming the line that it does not understand */
export function parseDockerfile(text: string): readonly Stage[] {
  const stages: Draft[] = [];
  for (const line of logicalLines(text)) {
    const [, word = "", rest = ""] = /^(\S+)\s+(.*)$/s.exec(line) ?? [];
    if (word === "FROM") stages.push(newStage(rest));
    else {
      const stage = stages.at(-1);
      if (stage === undefined) throw new Error(`Before the first FROM: ${line}`);
      addTo(stage, word, rest);
    }
  }
  return stages;
}

/** Lines that end in a backslash go on; comments are no lines. */
function logicalLines(text: string): readonly string[] {
  const lines = text.split("\n").filter((line) => !/^\s*#/.test(line));
  return lines
    .join("\n")
    .replaceAll(/\s*\\\n\s*/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function newStage(rest: string): Draft {
  const [, image = rest, name = ""] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(rest) ?? [];
  return { name, image, steps: [], environment: {}, labels: {}, arguments: {}, user: null, healthCheck: null, entrypoint: [], command: [] };
}

function addTo(stage: Draft, word: string, rest: string): void {
  const step = (instruction: Instruction) => {
    stage.steps = [...stage.steps, instruction];
  };
  switch (word) {
    case "WORKDIR":
      step({ kind: "workdir", path: rest });
      return;
    case "RUN":
      step({ kind: "run", command: rest });
      return;
    case "COPY":
      step(parseCopy(rest));
      return;
    case "ENV":
      stage.environment = { ...stage.environment, ...pairs(rest) };
      return;
    case "LABEL":
      stage.labels = { ...stage.labels, ...pairs(rest) };
      return;
    case "ARG":
      stage.arguments = { ...stage.arguments, ...pairs(rest) };
      return;
    case "USER":
      stage.user = rest;
      return;
    case "HEALTHCHECK":
      stage.healthCheck = JSON.parse(/CMD\s+(\[.*\])$/.exec(rest)?.[1] ?? "null") as readonly string[] | null;
      return;
    case "ENTRYPOINT":
      stage.entrypoint = JSON.parse(rest) as readonly string[];
      return;
    case "CMD":
      stage.command = JSON.parse(rest) as readonly string[];
      return;
    case "EXPOSE":
    case "STOPSIGNAL":
      return;
    default:
      throw new Error(`Unknown instruction: ${word} ${rest}`);
  }
}

function parseCopy(rest: string): Instruction {
  const words = rest.split(/\s+/);
  const flag = (name: string) => words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ?? null;
  const paths = words.filter((word) => !word.startsWith("--"));
  return { kind: "copy", from: flag("from"), owner: flag("chown"), sources: paths.slice(0, -1), target: paths.at(-1) ?? "" };
}

function pairs(rest: string): Record<string, string> {
  return Object.fromEntries(
    [...rest.matchAll(/([^\s=]+)=("[^"]*"|\S+)/g)].map(([, name, value]) => [name, (value ?? "").replaceAll('"', "")]),
  );
}
