// OpenAI's client for Python against a node: the example as its reader runs it, and what it makes of errors.
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { documentationLoaded } from "../support/readme_commands.ts";
import { openAiPythonPath } from "../support/services.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LIMIT_MS = 60_000;
const run = promisify(execFile);
let kennel: KennelProcess;

/** Prints the error's class and the field at fault, a line each. */
const ERRORS = `
import os
import openai

client = openai.OpenAI(base_url=os.environ["KENNEL_URL"] + "/v1", api_key="none", max_retries=0)


def refused(call):
    try:
        call()
    except openai.APIStatusError as error:
        print(type(error).__name__, error.param)


refused(lambda: client.models.retrieve("none"))
refused(lambda: client.embeddings.create(model="static-minilm-256", input="hare", dimensions=7))
refused(lambda: client.vector_stores.search("none", query="hare"))
refused(lambda: client.vector_stores.search("kennel", query="hare", max_num_results=51))
client.vector_stores.create(name="papers")
refused(lambda: client.vector_stores.create(name="papers"))
file = client.vector_stores.files.upload_and_poll(vector_store_id="papers", file=("hare.txt", b"A hare in winter."))
print(file.status, client.vector_stores.search("papers", query="hare").data[0].filename)
`;

test.before(async () => {
  kennel = await startKennel();
  await documentationLoaded(kennel.url, kennel.output);
});

test.after(() => kennel.stop());

async function python(args: readonly string[]): Promise<string> {
  const env = { ...process.env, KENNEL_URL: kennel.url };
  return (await run(openAiPythonPath(), [...args], { cwd: ROOT, env, timeout: LIMIT_MS })).stdout;
}

test("The example finds what it asks for", async () => {
  const printed = await python(["examples/ask.py", "what happens when a retriever crashes?"]);
  assert.match(printed, /model kennel\n[\s\S]* Architecture [\s\S]*dimensions 256/);
});

test("Errors are the client's own classes and name the field; files are uploaded and found", async () => {
  assert.equal((await python(["-c", ERRORS])).trim().split("\n"), [
    "NotFoundError model",
    "BadRequestError dimensions",
    "NotFoundError vector_store_id",
    "BadRequestError max_num_results",
    "ConflictError name",
    "completed hare.txt",
  ]);
});

test.run();
