/** One line each that keeps what is told apart; the matrix has to find out when it is gone. */

export interface Mutation {
  /** What is taken out, for the table. */
  readonly what: string;
  readonly file: string;
  /** Stands in the file once. */
  readonly text: string;
  readonly instead: string;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    what: "the scope out of the key of kept, stale, shared and coalesced answers",
    file: "actors/retriever/answers/answer_key.ts",
    text: "    scopeKey(scope),\n",
    instead: "",
  },
  {
    what: "the scope out of what finds a question's key again",
    file: "actors/retriever/answers/answer_key.ts",
    text: " &&\n    left.scope === right.scope",
    instead: "",
  },
  {
    what: "the principals out of the scope's name",
    file: "transport/transport.ts",
    text: "JSON.stringify([scope.tenant, ...scope.principals])",
    instead: "JSON.stringify([scope.tenant])",
  },
  {
    what: "the collection's acl out of the key of answers",
    file: "actors/retriever/answers/answer_key.ts",
    text: "    acl ?? null,\n",
    instead: "",
  },
  {
    what: "the key of answers out of the one that questions of one moment share",
    file: "actors/retriever/registry/answering.ts",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code
    text: "`${targetVersion} ${query.key}`",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code
    instead: "`${targetVersion} ${query.request.query}`",
  },
  {
    what: "the filter out of the key of an index's mask",
    file: "actors/retriever/index/resident/base.ts",
    text: "JSON.stringify([filter, cutMs])",
    instead: "JSON.stringify([filter !== null, cutMs])",
  },
  {
    what: "the principals out of the key of a grant's routes",
    file: "bridge/http/access/access.ts",
    text: "JSON.stringify([scope, collections, tenant, principals, replacesUnseen, writer])",
    instead: "JSON.stringify([scope, collections, tenant, replacesUnseen, writer])",
  },
  {
    what: "the tenant out of the key of a grant's routes",
    file: "bridge/http/access/access.ts",
    text: "JSON.stringify([scope, collections, tenant, principals, replacesUnseen, writer])",
    instead: "JSON.stringify([scope, collections, principals, replacesUnseen, writer])",
  },
  {
    what: "the filter of who asks out of searches",
    file: "actors/retriever/registry/answering.ts",
    text: "visible === null ? request : {",
    instead: "visible !== undefined ? request : {",
  },
  {
    what: "the scope out of what a grant's routes hand on",
    file: "bridge/http/access/guarded_transport.ts",
    text: "scope: guard.scope,\n",
    instead: 'scope: { tenant: "default", principals: null },\n',
  },
  {
    what: "the newest version out of what is given again while the store is away",
    file: "actors/retriever/registry/kept_answers.ts",
    text: "query.visible === null ? 0 : this.#actives.targetVersion(query.resolved)",
    instead: "0",
  },
  {
    what: "the filter of who asks out of a list of documents",
    file: "bridge/http/access/guarded_documents.ts",
    text: "filter === null ? { after, limit } : { after, limit, visible: filter }",
    instead: "{ after, limit }",
  },
  {
    what: "the filter of who asks out of reading a document",
    file: "bridge/http/access/guarded_documents.ts",
    text: "document === null || filter === null || isVisible(filter, document.principals) ? document : null",
    instead: "filter === undefined ? null : document",
  },
  {
    what: "the filter of who asks out of replacing a document",
    file: "bridge/http/access/guarded_documents.ts",
    text: "guard.replacesUnseen ? null : visible(whole)",
    instead: "guard.replacesUnseen ? null : null",
  },
  {
    what: "who asks out of the key of a grant that writes for others",
    file: "bridge/http/access/asked_principals.ts",
    text: "return { ...caller, principals, replacesUnseen: false };",
    instead: "return { ...caller, principals };",
  },
  {
    what: "the filter of who asks out of deleting a document",
    file: "bridge/http/access/guarded_documents.ts",
    text: "inner.deleteDocuments(whole, ids, signal, visible(whole))",
    instead: "inner.deleteDocuments(whole, ids, signal)",
  },
  {
    what: "the documents of others out of ending a collection",
    file: "bridge/http/access/guarded_catalog.ts",
    text: "if (this.#guard.replacesUnseen) return;",
    instead: "return;",
  },
  {
    what: "the tenant out of what a grant covers",
    file: "bridge/http/access/guard.ts",
    text: 'grant.tenant === null ? "" : grant.tenant + SEPARATOR',
    instead: '""',
  },
];
