import { test } from "uvu";
import * as assert from "uvu/assert";
import { reportStrayRejections } from "../../runtime/stray_rejections.ts";

test("A rejection that nobody waits for is reported, and the process goes on", async () => {
  const stray = new Error("stray");
  const reported = await new Promise((resolve) => {
    const end = reportStrayRejections((reason) => {
      end();
      resolve(reason);
    });
    void Promise.reject(stray);
  });
  assert.is(reported, stray);
});

test.run();
