/**
 * The parts of the node as a key with a grant may use them: routes that are made of these cannot reach a collection that the
 * key's pattern does not name, whatever their requests say.
 *
 * Invariants:
 *   G1. A name that the pattern does not cover is `forbidden`, whether there is such a collection or not.
 *   G2. An alias is judged by the collection that it leads to.
 *   G3. Lists leave out what is foreign; a foreign job or file is as one that does not exist.
 *   G4. A document that is not for the key's principals is as one that does not exist: to be read, listed, deleted and found.
 *   G5. What a grant may do never widens what it, or another one, sees.
 *   G6. A document that a grant does not see is not replaced or ended by it, alone or with its collection, unless the grant is
 *       one that writes for others.
 */
import type { Upload } from "../../../actors/ingest/upload_folder.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { StreamTransport, Transport } from "../../../transport/transport.ts";
import { allowsScope, type Grant, namesEveryCollection } from "../../keys/grant.ts";
import type {
  CollectionAdoption,
  CollectionCatalog,
  CollectionReindex,
  DocumentIngest,
  DocumentReader,
  FileUploads,
  RetrieverPool,
} from "../collaborators.ts";
import { Guard } from "./guard.ts";
import { GuardedCatalog } from "./guarded_catalog.ts";
import { guardedDocuments, guardedIngest, visibleOf } from "./guarded_documents.ts";
import { guardedStreams, guardedTransport } from "./guarded_transport.ts";

interface Guarded {
  readonly transport: Transport;
  readonly streams: StreamTransport;
  readonly catalog: CollectionCatalog;
  readonly documents: DocumentReader;
  readonly ingest: DocumentIngest & CollectionReindex;
  readonly registry: RetrieverPool;
  readonly adoption: CollectionAdoption;
  readonly uploads: FileUploads;
}

export function guardedParts<Parts extends Guarded>(parts: Parts, grant: Grant): Parts {
  const guard = new Guard(grant);
  const visible = visibleOf(parts.catalog, guard);
  const documents = guardedDocuments(parts.documents, guard, visible);
  return {
    ...parts,
    transport: guardedTransport(parts.transport, guard),
    streams: guardedStreams(parts.streams, guard),
    catalog: new GuardedCatalog(parts.catalog, parts.documents, guard),
    documents,
    ingest: guardedIngest(parts.ingest, documents, guard, visible),
    registry: guardedRetrievers(parts.registry, parts.catalog, guard),
    adoption: guardedAdoption(parts.adoption, guard),
    uploads: guardedUploads(parts.uploads, grant),
  };
}

function guardedRetrievers(inner: RetrieverPool, catalog: CollectionCatalog, guard: Guard): RetrieverPool {
  return {
    async warm(nameOrAlias, signal) {
      const whole = guard.inward(nameOrAlias);
      guard.require(catalog.resolve(whole)?.record.name ?? whole, nameOrAlias);
      return inner.warm(whole, signal);
    },
    async refresh(collection, indexVersion) {
      return inner.refresh(guard.enter(collection), indexVersion);
    },
  };
}

/** Collections of others in the vector store are no collection of any pattern yet, and of no tenant. */
function guardedAdoption(inner: CollectionAdoption, { grant, isTenants }: Guard): CollectionAdoption {
  const requireAdmin = () => {
    if (allowsScope(grant.scope, "admin") && namesEveryCollection(grant.collections) && !isTenants) return;
    throw kennelError("forbidden", { message: "Adopting a collection needs an operator's key with the scope admin for every collection" });
  };
  return {
    async list(...given) {
      requireAdmin();
      return inner.list(...given);
    },
    async look(...given) {
      requireAdmin();
      return inner.look(...given);
    },
    async adopt(...given) {
      requireAdmin();
      return inner.adopt(...given);
    },
  };
}

/** A file waits for those with the same collections, tenant and principals as the key that brought it, and for operators who see all. */
export function guardedUploads(inner: FileUploads, grant: Grant): FileUploads {
  const own = audienceOf(grant);
  const { tenant, principals, collections } = grant;
  const isEveryones = ({ audience }: Upload) => !audience.startsWith("[");
  const seesOthers = tenant === null && namesEveryCollection(collections);
  const mayUse = (upload: Upload) =>
    upload.audience === own || (seesOthers && (principals === null || (principals.length === 0 && isEveryones(upload))));
  const find = (id: string) => {
    const upload = inner.get(id);
    return upload !== null && mayUse(upload) ? upload : null;
  };
  return {
    list: () => inner.list().filter((upload) => mayUse(upload)),
    get: find,
    content: async (id) => (find(id) === null ? null : inner.content(id)),
    put: (file, content) => inner.put({ ...file, audience: own, owner: grant.owner }, content),
    delete: async (id) => find(id) !== null && inner.delete(id),
  };
}

/** The pattern alone where there is nothing more to a key, else JSON. */
function audienceOf({ collections, tenant, principals }: Grant): string {
  return tenant === null && (principals === null || principals.length === 0)
    ? collections
    : JSON.stringify([collections, tenant, principals]);
}
