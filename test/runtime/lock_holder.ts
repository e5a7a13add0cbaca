import { lockFolder } from "../../runtime/folder_lock.ts";

/** Locks the folder named by its argument, says so, and holds on until it is killed. */
lockFolder(process.argv[2] ?? "");
console.log("locked");
setInterval(() => {}, 1000);
