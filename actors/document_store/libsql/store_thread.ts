import { serveTasks } from "../../../runtime/worker_thread.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { type Call, runOperation } from "./operations.ts";
import { migrate } from "./schema.ts";

/** Entry of the store's two threads. The writer migrates, and is started before the reader. */
await serveTasks((data: { readonly connection: ConnectionOptions; readonly migrates: boolean }) => {
  const connection = new Connection(data.connection);
  if (data.migrates) migrate(connection);
  return {
    handle: (call: Call) => ({ value: runOperation(connection, call), transfer: [] }),
    close: () => connection.close(),
  };
});
