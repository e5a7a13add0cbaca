import { suite } from "uvu";
import type { MilvusServer } from "../../../tooling/servers/milvus_process.ts";
import { adoptedOutageTests, adoptedTests } from "./adopted_tests.ts";
import { startServer } from "./stores.ts";

let server: MilvusServer | null = null;

const own = suite("collections of others in Milvus Lite 3.2.2");
own.before(async () => {
  server = await startServer("milvus_lite");
});
own.after(() => server?.stop());
const options = {
  server: () => {
    if (server === null) throw new Error("The server did not start");
    return server;
  },
  hasText: true,
};
adoptedTests(own, options);
adoptedOutageTests(own, options);
own.run();
