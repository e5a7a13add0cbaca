/** A node with the matrix' keys, collections and documents, and the layers in which it is asked. */
import { keyRig } from "../bridge/keys/key_rig.ts";
import { startOpenAiServer } from "../support/openai_server.ts";
import {
  type Ask,
  type AskedReply,
  CALLERS,
  COLLECTIONS,
  echoing,
  Findings,
  type MatrixCaller,
  type MatrixCollection,
  type MatrixDocument,
  nameFor,
  OTHER_WAYS,
  SEARCHES,
  STRATEGIES,
  searchWay,
  textOf,
  type Way,
  WRITERS,
  wordOf,
} from "./access_matrix.ts";
import { type Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

export interface AccessRig {
  readonly caller: Caller;
  /** The administrator's. */
  readonly headers: Readonly<Record<string, string>>;
  headersOf(caller: MatrixCaller): Readonly<Record<string, string>>;
  readonly ask: Ask;
}

/** Chunks so small that documents have several, and parents above them. */
const CHUNKING = { max_tokens: 16, overlap_tokens: 0, parent_tokens: 48 };

/** @param settings environment variables beside those of the matrix */
export async function onAccessNode(
  work: (rig: AccessRig) => Promise<void>,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const keys = await keyRig();
  const provider = await startOpenAiServer({ dimensions: 4 });
  provider.behave(echoing);
  try {
    const headers = new Map<string, Readonly<Record<string, string>>>();
    for (const { name, scope, collections, tenant, principals, delegate, asks } of [...CALLERS, ...WRITERS]) {
      const { key } = await keys.add(scope, collections, {
        ...(tenant === undefined ? {} : { tenant }),
        ...(principals === undefined ? {} : { principals: [...principals] }),
        ...(delegate === undefined ? {} : { delegate }),
      });
      headers.set(name, {
        authorization: `Bearer ${key}`,
        ...(asks === undefined ? {} : { "x-kennel-principals": asks.map(encodeURIComponent).join(",") }),
      });
    }
    const headersOf = ({ name }: MatrixCaller) => headers.get(name) ?? {};
    const environment = {
      KENNEL_AUTH: "required",
      KENNEL_KEYS_FILE: keys.path,
      KENNEL_CHAT: "openai:test-chat",
      OPENAI_BASE_URL: provider.url,
      KENNEL_OPENAI_MAX_RETRIES: "0",
      ...settings,
    };
    await onNode(environment, async ({ caller }) => {
      const ask: Ask = async (method, path, body, given) => {
        const response = await fetch(`${caller.url}${path}`, {
          method,
          headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...given },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        return { status: response.status, text: await response.text() };
      };
      const [administrator] = CALLERS;
      await work({ caller, headers: headersOf(administrator as MatrixCaller), headersOf, ask });
    });
  } finally {
    await provider.stop();
    await keys.remove();
  }
}

/** Half of the documents before the collection is warm, so that an index in memory has a base and what came later. */
export async function seed({ caller, headers }: AccessRig): Promise<void> {
  for (const { name, isRequired, resident, documents } of COLLECTIONS) {
    const settings = { resident, chunking: CHUNKING, ...(isRequired ? { acl: "required" } : {}) };
    await caller.must("PUT", `/v1/collections/${name}`, settings, headers);
    await put({ caller, headers }, name, documents.slice(0, 3));
    await caller.must("POST", `/v1/collections/${name}/warm`, undefined, headers);
    await put({ caller, headers }, name, documents.slice(3));
  }
}

async function put(
  { caller, headers }: Pick<AccessRig, "caller" | "headers">,
  name: string,
  documents: readonly MatrixDocument[],
): Promise<void> {
  const sent = documents.map(({ id, principals }, place) => ({
    id,
    title: `Heron ${wordOf(name, id)}`,
    text: textOf(name, id),
    principals,
    attributes: { year: 2_000 + place, mark: wordOf(name, id) },
  }));
  const job = await caller.must<{ id: string }>("POST", `/v1/collections/${name}/documents`, { documents: sent }, headers);
  await until("the documents are indexed", async () => {
    const { status } = await caller.must<{ status: string }>("GET", `/v1/jobs/${job.id}`, undefined, headers);
    return status === "completed";
  });
}

interface Round {
  readonly row: string;
  readonly target: MatrixCollection;
  readonly way: Way;
  readonly question: string;
}

/** One way, asked by every caller, one after the other or all at the same time. */
class Asking {
  readonly findings = new Findings();
  readonly rig: AccessRig;
  /** As it is now. */
  world: readonly MatrixCollection[] = COLLECTIONS;
  #rounds = 0;

  constructor(rig: AccessRig) {
    this.rig = rig;
  }

  async everyone({ row, target, way, question }: Round, how: { isAtOnce?: true; isReversed?: true; noCache?: true } = {}): Promise<void> {
    const one = async (caller: MatrixCaller): Promise<void> => {
      const name = nameFor(caller, target) ?? target.name;
      const headers = { ...this.rig.headersOf(caller), ...(how.noCache ? { "cache-control": "no-cache" } : {}) };
      const replies: AskedReply[] = [];
      for (const { method, path, body } of way.requests(name, question)) replies.push(await this.rig.ask(method, path, body, headers));
      this.findings.note(row, caller, target, way, replies, this.world);
    };
    // Each time another one is first: what is kept or shared wrongly is what the first one may see.
    const first = this.#rounds++ % CALLERS.length;
    const inTurn = [...CALLERS.slice(first), ...CALLERS.slice(0, first)];
    const callers = how.isReversed ? inTurn.reverse() : inTurn;
    if (how.isAtOnce) await Promise.all(callers.map(one));
    else for (const caller of callers) await one(caller);
  }

  async setMode(mode: string | null): Promise<void> {
    await this.rig.caller.must("PUT", "/v1/mode", { mode }, this.rig.headers);
  }

  /** @returns the collection as it is then */
  change(name: string, changes: Partial<MatrixCollection>): MatrixCollection {
    this.world = this.world.map((one) => (one.name === name ? { ...one, ...changes } : one));
    return this.world.find((one) => one.name === name) as MatrixCollection;
  }
}

const MODES = ["full", "no_rewrite", "basic", "lexical"] as const;
const QUESTION = "where does the grey heron nest by the water?";
const WHOLE = SEARCHES.slice(0, STRATEGIES.length);
/** The index in memory and the one in the store. */
const PLAIN_COLLECTIONS = 2;
/** What is asked of the other collections, which differ from these in who sees what alone. */
const ELSEWHERE = WHOLE.filter(({ name }) => /: (bm25|hybrid|parent_document)$/.test(name));

/** Everything: each strategy in each mode and layer, in memory and in the store; in every collection what differs by who sees it. */
export async function runMatrix(rig: AccessRig): Promise<Findings> {
  const asking = new Asking(rig);
  for (const mode of MODES) {
    if (mode !== "full") await asking.setMode(mode);
    for (const [place, target] of asking.world.entries()) {
      const isPlain = place < PLAIN_COLLECTIONS;
      const ways = mode === "full" ? (isPlain ? SEARCHES : ELSEWHERE) : isPlain ? WHOLE : [];
      for (const way of ways) await inEachLayer(asking, mode, target, way);
    }
  }
  await asking.setMode(null);
  for (const target of asking.world) for (const way of OTHER_WAYS) await asking.everyone(plain(target, way));
  for (const name of ["held", "stored"]) await afterChanges(asking, name);
  return asking.findings;
}

/** The same layers with fewer ways and collections: what a run on mutated code needs to be found out. */
export async function runBriefMatrix(rig: AccessRig): Promise<Findings> {
  const asking = new Asking(rig);
  const [held, stored, , , acme] = asking.world;
  for (const target of [held, stored, acme] as MatrixCollection[]) {
    await inEachLayer(asking, "full", target, searchWay("hybrid"));
    for (const way of OTHER_WAYS) await asking.everyone(plain(target, way));
  }
  await afterChanges(asking, "held");
  return asking.findings;
}

function plain(target: MatrixCollection, way: Way): Round {
  return { row: `full: ${way.name}`, target, way, question: `${QUESTION} full` };
}

async function inEachLayer(asking: Asking, mode: string, target: MatrixCollection, way: Way): Promise<void> {
  const row = `${mode}: ${way.name}`;
  const round = { target, way, question: `${QUESTION} ${mode}` };
  await asking.everyone({ ...round, row: `${row}; worked out` }, { noCache: true });
  if (mode === "full") await asking.everyone({ ...round, row: `${row}; at once`, question: `${QUESTION} at once` }, { isAtOnce: true });
  await asking.everyone({ ...round, row: `${row}; first` });
  await asking.everyone({ ...round, row: `${row}; kept` }, { isReversed: true });
}

/** The answers that were kept, given again with the store away. */
async function whileAway(asking: Asking, when: string, targets: readonly MatrixCollection[]): Promise<void> {
  await asking.setMode("stale");
  const way = searchWay("hybrid");
  for (const target of targets) await asking.everyone({ row: `stale${when}: ${way.name}`, target, way, question: `${QUESTION} full` });
  await asking.setMode(null);
}

/** A document is taken from one of its principals, then what is nobody's from everyone: nothing that was kept says otherwise. */
async function afterChanges(asking: Asking, name: string): Promise<void> {
  const { rig } = asking;
  const question = `${QUESTION} full`;
  await whileAway(asking, "", asking.world.filter((one) => one.name === name)); // biome-ignore format: one call
  const taken = { id: "both", principals: ["user:bob"] };
  await put(rig, name, [taken]);
  const changed = asking.change(name, {
    documents: (COLLECTIONS[0]?.documents ?? []).map((document) => (document.id === taken.id ? taken : document)),
  });
  await whileAway(asking, ", after a document's change", [changed]); // before anyone has asked anew
  const ways = [searchWay("hybrid"), searchWay("parent_document"), ...OTHER_WAYS];
  for (const way of ways) await asking.everyone({ row: `after a document's change: ${way.name}`, target: changed, way, question });

  const settings = { resident: changed.resident, chunking: CHUNKING, acl: "required" };
  await rig.caller.must("PUT", `/v1/collections/${name}`, settings, rig.headers);
  const strict = asking.change(name, { isRequired: true });
  for (const way of ways) await asking.everyone({ row: `after the collection's change: ${way.name}`, target: strict, way, question });
}
