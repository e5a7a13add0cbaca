import { serveTasks } from "../../../runtime/worker_thread.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { type Call, runOperation } from "./operations.ts";
import { migrate } from "./schema.ts";

export interface StoreThreadData {
  readonly connection: ConnectionOptions;
  /** The writer opens and migrates the database as it starts; the reader opens it with its first call. */
  readonly role: "writer" | "reader";
}

/** Entry of the store's two threads. */
await serveTasks((data: StoreThreadData) => {
  let connection = data.role === "writer" ? new Connection(data.connection) : null;
  if (connection !== null) migrate(connection);
  return {
    handle(call: Call) {
      connection ??= new Connection(data.connection);
      return { value: runOperation(connection, call), transfer: [] };
    },
    close: () => connection?.close(),
  };
});
