/** Who writes × whose documents × how: what a caller does not see it neither replaces nor ends, nor is it told of its words. */
import {
  type AskedReply,
  CALLERS,
  COLLECTIONS,
  type Findings,
  type MatrixCaller,
  type MatrixCollection,
  nameFor,
  sees,
  WRITERS,
  wordOf,
} from "./access_matrix.ts";
import type { AccessRig } from "./access_rig.ts";

/** A way to replace or end one document; the collection is named as the caller does. */
interface Writing {
  readonly name: string;
  readonly method: string;
  path(name: string, id: string): string;
  body?(word: string, id: string): object;
}

const MARK = "was overwritten";

const REPLACING: readonly Writing[] = [
  {
    name: "writes: a document sent again",
    method: "POST",
    path: (name) => `/v1/collections/${name}/documents`,
    body: (_word, id) => ({ documents: [{ id: `new-${id}`, text: "new" }, { id, text: MARK }] }), // biome-ignore format: one call
  },
  {
    name: "writes: a document sent again, for others",
    method: "POST",
    path: (name) => `/v1/collections/${name}/documents`,
    body: (_word, id) => ({ documents: [{ id, text: MARK, principals: ["user:ann", "user:bob"] }] }),
  },
];

const ENDING: readonly Writing[] = [
  { name: "writes: a document deleted", method: "DELETE", path: (name, id) => `/v1/collections/${name}/documents/${id}` },
  { name: "writes: a file deleted", method: "DELETE", path: (name, id) => `/v1/vector_stores/${name}/files/${id}` },
  {
    name: "writes: documents deleted by filter",
    method: "DELETE",
    path: (name) => `/v1/collections/${name}/documents`,
    body: (word) => ({ filters: { type: "eq", key: "mark", value: word } }),
  },
  { name: "writes: the collection deleted", method: "DELETE", path: (name) => `/v1/collections/${name}` },
  { name: "writes: the vector store deleted", method: "DELETE", path: (name) => `/v1/vector_stores/${name}` },
  {
    name: "writes: documents made to expire",
    method: "PUT",
    path: (name) => `/v1/collections/${name}`,
    body: () => ({ ttl_seconds: 1 }),
  },
];

/** In these nothing has been changed by the matrix before. */
const TARGETS: readonly string[] = ["strict-held", "acme--held"];

/** Every writer tries to replace and to end every document that it does not see. */
export async function runWrites(rig: AccessRig, findings: Findings): Promise<void> {
  for (const target of COLLECTIONS.filter(({ name }) => TARGETS.includes(name))) {
    for (const caller of WRITERS) {
      const name = nameFor(caller, target);
      if (name === null) continue;
      for (const { id } of target.documents.filter((document) => !sees(caller, target, document))) {
        // One that brings documents for others may replace them; nothing that is not for it is ended by anyone.
        const writings = caller.principals === undefined && caller.asks === undefined ? ENDING.slice(0, 3) : [...REPLACING, ...ENDING];
        for (const writing of writings) await attempt(rig, findings, { writing, caller, target, name, id });
      }
    }
  }
}

interface Attempt {
  readonly writing: Writing;
  readonly caller: MatrixCaller;
  readonly target: MatrixCollection;
  readonly name: string;
  readonly id: string;
}

async function attempt(rig: AccessRig, findings: Findings, { writing, caller, target, name, id }: Attempt): Promise<void> {
  const word = wordOf(target.name, id);
  const { method } = writing;
  const reply = await rig.ask(method, writing.path(name, id), writing.body?.(word, id), rig.headersOf(caller));
  findings.count(writing.name, caller, 1);
  const where = `${writing.name}: ${caller.name} in ${target.name}`;
  if (reply.text.includes(word)) findings.leaks.push(`${where} and is told of ${id}`);
  if (reply.status >= 500) findings.lacks.push(`${where} and is answered ${reply.status}`);
  const kept = await read(rig, target, id);
  if (!kept.text.includes(word)) findings.leaks.push(`${where} and ${kept.status === 404 ? "ends" : "replaces"} ${id}`);
  const beside = await read(rig, target, `new-${id}`);
  if (beside.status !== 404) findings.leaks.push(`${where} and half of a refused call was taken`);
  const settings = await rig.ask("GET", `/v1/collections/${target.name}`, undefined, rig.headers);
  if (settings.text.includes('"ttl_seconds":1,')) findings.leaks.push(`${where} and lets ${id} expire`);
}

function read({ ask, headers }: AccessRig, { name }: MatrixCollection, id: string): Promise<AskedReply> {
  return ask("GET", `/v1/collections/${name}/documents/${id}`, undefined, headers);
}

/** What writers may do: it has to be done, or the rows above would be those of a node that refuses everything. */
export async function runOwnWrites({ ask, headersOf }: AccessRig, findings: Findings): Promise<void> {
  const [target] = COLLECTIONS.filter(({ name }) => name === "acme--held") as [MatrixCollection];
  for (const caller of [...WRITERS, ...CALLERS.slice(0, 1)]) {
    const name = nameFor(caller, target);
    if (name === null) continue;
    const isConnector = caller.principals === undefined && caller.asks === undefined;
    for (const { id, principals } of target.documents.filter((document) => isConnector || sees(caller, target, document))) {
      const documents = [{ id, text: `${wordOf(target.name, id)} of ${caller.name}`, principals }];
      const reply = await ask("POST", `/v1/collections/${name}/documents`, { documents }, headersOf(caller));
      findings.count("writes: own documents sent again", caller, 1);
      if (reply.status !== 202) findings.lacks.push(`${caller.name} may not replace ${id} in ${target.name}: ${reply.status}`);
    }
  }
}
