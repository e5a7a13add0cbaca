import { readFileSync, writeFileSync } from "node:fs";

/** A call of a client, as its user writes it, and what came of it. */
export interface Told {
  readonly call: string;
  readonly outcome: unknown;
}

const TABLE = new URL("../CLIENTS.md", import.meta.url);

const HEAD = `# What the clients that people have say to a node

Written by \`test/services/clients/clients_test.ts\`, which runs each client against a whole node in every run of
\`npm run test:services\` and compares; \`TEST_WRITE_CLIENTS=1\` writes what it has seen. The language model is a server of the
tests that speaks OpenAI's protocol and always gives the same answer.
`;

/** The lines that a client's program has printed. */
export function readTold(printed: string): readonly Told[] {
  return printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Told);
}

export function transcript(parts: readonly (readonly [title: string, told: readonly Told[]])[]): string {
  const sections = parts.map(([title, told]) => {
    const lines = told.map(({ call, outcome }) => `> ${call}\n${JSON.stringify(outcome)}`);
    return `## ${title}\n\n\`\`\`\n${lines.join("\n\n")}\n\`\`\`\n`;
  });
  return [HEAD, ...sections].join("\n");
}

export function writtenTranscript(): string {
  return readFileSync(TABLE, "utf8");
}

export function writeTranscript(text: string): void {
  writeFileSync(TABLE, text);
}
