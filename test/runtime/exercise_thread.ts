import { kennelError } from "../../runtime/errors.ts";
import { serveTasks } from "../../runtime/worker_thread.ts";

export type Exercise =
  | { readonly kind: "echo"; readonly value: unknown }
  | { readonly kind: "spin" | "refuse" | "exit" | "count" }
  | { readonly kind: "wait"; readonly forMs: number };

/** Entry of the threads that the worker pool's tests make do all kinds of things. */
await serveTasks((data: { readonly fails: boolean }) => {
  if (data.fails) throw kennelError("conflict", { message: "Cannot start" });
  let tasks = 0;
  return {
    async handle(task: Exercise) {
      tasks += 1;
      switch (task.kind) {
        case "echo":
          return { value: task.value, transfer: [] };
        case "spin":
          for (;;);
        case "wait":
          await new Promise((resolve) => setTimeout(resolve, task.forMs));
          return { value: tasks, transfer: [] };
        case "refuse":
          throw kennelError("overloaded", { message: "No more", param: "field", retryAfterMs: 7 });
        case "exit":
          process.exit(3);
          return { value: null, transfer: [] };
        case "count":
          return { value: tasks, transfer: [] };
      }
    },
    close() {},
  };
});
