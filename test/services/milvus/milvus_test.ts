import { suite } from "uvu";
import type { MilvusServer } from "../../../tooling/servers/milvus_process.ts";
import { vectorStoreContract } from "../../actors/vector_store/vector_store_contract.ts";
import { milvusFaultTests, milvusOwnTests } from "./own_tests.ts";
import { connectTo, DEVIATIONS, startServer, withReplica } from "./stores.ts";

let server: MilvusServer;
let removeReplica = async () => {};

// Its version ranks no texts, so that the contract is passed by what a node has then: Milvus with LanceDB beside it.
vectorStoreContract("Milvus 2.3.5 with a lexical replica", {
  open: async () => {
    server = await startServer("milvus");
    const { store, remove } = await withReplica(await connectTo(server.address));
    removeReplica = remove;
    return store;
  },
  close: async (store) => {
    await store.close();
    await removeReplica();
  },
  skip: DEVIATIONS.milvus,
  propertyRuns: 2,
});

const own = suite("Milvus' own");
own.after(() => server.stop());
milvusOwnTests(own, { server: () => server, hasText: false });
milvusFaultTests(own, { server: () => server, hasText: false });
own.run();
