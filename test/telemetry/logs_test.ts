import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kennelError } from "../../runtime/errors.ts";
import { createLogger, type LogOptions } from "../../telemetry/logs.ts";
import { Redaction } from "../../telemetry/redaction.ts";

const test = suite("Logs");
const CANARY = "canary-7f3a91-do-not-print";

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

test("A planted secret reaches no line, by whatever way it is logged", () => {
  const { logger, text } = capture({ redaction: new Redaction([CANARY]) });
  const error = new Error(`refused mongodb://root:${CANARY}@db/x`, { cause: kennelError("internal", { cause: new Error(CANARY) }) });
  Object.assign(error, { options: { password: CANARY }, request: { headers: { authorization: `Bearer ${CANARY}` } } });
  logger.error({ err: error }, "a call failed");
  logger.error(error);
  logger.error({ error, cause: error, nested: { err: error, list: [error, CANARY] } }, `with ${CANARY} in words`);
  logger.warn(`words alone ${CANARY}`);
  logger.child({ actor: "n/ingest", token: CANARY, note: CANARY }).info({ [CANARY]: 1, url: `http://u:${CANARY}@h/` }, "of a child");
  assert.not.match(text(), "canary");
  assert.not.match(text(), /\bat .*logs_test/, "no stack");
  assert.is(text().trimEnd().split("\n").length, 5);
});

test("Every line is one JSON object whatever callers send", () => {
  const { logger, lines, text } = capture();
  logger.info({ query: 'x\n{"level":60,"msg":"forged"}\r\u2028', "a\nb": 1 }, 'name\n{"level":60,"msg":"forged too"}');
  assert.is(text().split("\n").length, 2);
  assert.equal(
    lines().map(({ level }) => level),
    [30],
  );
  assert.not.match(text(), /[\u2028\r]/);
});

test("Words with a percent sign are no template", () => {
  const { logger, lines } = capture();
  logger.info({ a: 1 }, "100% of %s");
  assert.is(lines()[0]?.msg, "100% of %s");
});

test("A line carries the node, what is worked on now and the actor, and its own fields go first", () => {
  let context: Record<string, string> | null = { requestId: "r1", traceId: "t1", spanId: "s1" };
  const { logger, lines } = capture({ context: () => context });
  logger.child({ actor: "n/ingest" }).info({ requestId: "own" }, "one");
  context = null;
  logger.info("two");
  const [one, two] = lines();
  assert.is(one?.actor, "n/ingest");
  assert.is(one?.traceId, "t1");
  assert.is(one?.requestId, "own");
  assert.is(one?.node, "n");
  assert.is(two?.traceId, undefined, "a context does not stay for the next line");
});

test("A message is written so many times a minute, others beside it, and what was left out is told in the next", () => {
  let nowMs = 0;
  const { logger, lines } = capture({ maxRepeats: 3, nowMs: () => nowMs, level: "debug" });
  for (let at = 0; at < 10; at++) logger.warn({ at }, "again");
  logger.warn("another");
  for (let at = 0; at < 10; at++) logger.debug("asked for");
  assert.is(lines().filter(({ msg }) => msg === "again").length, 3);
  assert.is(lines().filter(({ msg }) => msg === "another").length, 1);
  assert.is(lines().filter(({ msg }) => msg === "asked for").length, 10, "debug has no bound");
  nowMs = 60_000;
  logger.info("later");
  logger.warn("again");
  const told = lines().filter(({ msg }) => msg === "Lines were left out");
  assert.equal(
    told.map(({ line, count }) => ({ line, count })),
    [{ line: "again", count: 7 }],
  );
  assert.is(lines().filter(({ msg }) => msg === "again").length, 4);
});

test("Ten thousand different messages take bounded memory and are bounded together", () => {
  const { logger, lines } = capture({ maxRepeats: 1 });
  for (let at = 0; at < 10_000; at++) logger.info(`message ${at}`);
  assert.ok(lines().length <= 1_001, `${lines().length} lines`);
});

function capture(options: Partial<LogOptions> = {}) {
  const written: string[] = [];
  const logger = createLogger({ level: "info", node: "n", ...options }, { write: (line) => void written.push(line) });
  return {
    logger,
    text: () => written.join(""),
    lines: () => written.map((line) => JSON.parse(line) as Line),
  };
}

test.run();
