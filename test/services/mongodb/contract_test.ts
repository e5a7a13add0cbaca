import { suite } from "uvu";
import type { FerretServer } from "../../../tooling/servers/ferretdb.ts";
import { documentStoreContract } from "../../actors/document_store/document_store_contract.ts";
import { newDatabase, openStore, startServer } from "./server.ts";

let server: FerretServer;

const starting = suite("FerretDB");
starting("FerretDB starts and answers a read", async () => {
  server = await startServer();
});
starting.run();

/** As the server says of itself, then as one that finds documents by any filter, which this one does by reading them all. */
const ways = [
  ["MongoDB's protocol (FerretDB 1.24.2)", {}],
  ["the same, as with indexed filters", { capabilities: { hasIndexedFilters: true } }],
] as const;

for (const [name, differs] of ways) {
  const contract = documentStoreContract(name, {
    skip: [],
    async open(clock) {
      const url = newDatabase(server);
      let store = await openStore(url, { clock, ...differs });
      return {
        store,
        async reopen() {
          await store.close();
          store = await openStore(url, { clock, ...differs });
          return store;
        },
        close: () => store.close(),
      };
    },
  });
  if (name === ways.at(-1)?.[0]) contract.after(() => server.stop());
  contract.run();
}
