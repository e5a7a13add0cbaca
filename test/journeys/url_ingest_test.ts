/** Documents by URL, from a web server on this machine that the node's operator has allowed. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { runKennel } from "../support/command_process.ts";
import { pdfOf } from "../support/pdf.ts";
import { onNode } from "./node_rig.ts";

const test = suite<{ port: number; stop: () => Promise<void> }>("URL ingest");

/** As much of a response as is used here: the two runtimes' types of it differ. */
interface Answering {
  writeHead(status: number, headers?: Readonly<Record<string, string>>): { end(body?: string | Uint8Array): unknown };
}

const answers: Readonly<Record<string, (response: Answering, port: number) => void>> = {
  "/beagle": (response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<title>Beagle</title><h1>Beagle</h1><p>A hound that hunts hare.</p>");
  },
  "/manx.md": (response) => {
    response.writeHead(200, { "content-type": "text/plain" }).end("# Manx\n\nA cat without a tail.");
  },
  "/glacier": (response) => {
    response.writeHead(200, { "content-type": "application/pdf" }).end(pdfOf([["Glaciers carve valleys over centuries"]]));
  },
  "/old": (response) => void response.writeHead(301, { location: "/beagle" }).end(),
  "/metadata": (response) => void response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end(),
  "/node": (response, port) => void response.writeHead(302, { location: `http://127.0.0.1:${port}/beagle` }).end(),
};

test.before(async (context) => {
  const server = createServer();
  server.on("request", (request, response) => {
    const answer = answers[request.url ?? ""];
    if (answer === undefined) return void response.writeHead(404).end();
    answer(response, context.port);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.port = (server.address() as AddressInfo).port;
  context.stop = () => new Promise((resolve) => server.close(() => resolve()));
});

test.after(({ stop }) => stop());

const allowing = (port: number) => ({
  KENNEL_URL_INGEST: "on",
  KENNEL_URL_FETCH_HOSTS: "localhost,169.254.169.254",
  KENNEL_URL_FETCH_PORTS: `80,${port}`,
  KENNEL_URL_FETCH_PRIVATE_RANGES: "127.0.0.0/8,::1/128",
});

test("A node fetches nothing unless its operator says so", async ({ port }) => {
  await onNode({}, async ({ caller }) => {
    await caller.makeCollection("docs");
    const error = await caller.refused("forbidden", "POST", "/v1/collections/docs/urls", { urls: [`http://localhost:${port}/beagle`] });
    assert.match(error.message, "KENNEL_URL_INGEST");
  });
});

test("Pages, Markdown and PDFs are fetched, found, and name where they are from", async ({ port }) => {
  const at = (path: string) => `http://localhost:${port}${path}`;
  await onNode(allowing(port), async ({ caller }) => {
    await caller.makeCollection("docs");
    const urls = [at("/old"), { url: at("/manx.md"), id: "manx", title: "Tailless", attributes: { kind: "cat" } }, at("/glacier")];
    const job = await caller.jobEnded(await caller.must<WireJob>("POST", "/v1/collections/docs/urls", { urls }));
    assert.is(job.counts.indexed, 3);
    const hare = await caller.search("docs", { query: "which hound hunts hare?", top_k: 1, include: ["text"] });
    assert.equal([hare.data[0]?.document_id, hare.data[0]?.url, hare.data[0]?.title], [at("/old"), at("/old"), "Beagle"]);
    assert.equal(await caller.found("docs", { query: "tail", filters: { type: "eq", key: "kind", value: "cat" } }), ["manx"]);
    assert.equal(await caller.found("docs", { query: "what carves valleys", top_k: 1 }), [at("/glacier")]);

    const again = await caller.jobEnded(await caller.must<WireJob>("POST", "/v1/collections/docs/urls", { urls }));
    assert.is(again.counts.unchanged, 3);
    const metrics = await (await fetch(`${caller.url}/metrics`)).text();
    assert.match(metrics, /kennel_url_fetches_total\{outcome="fetched"\} 6/);
  });
});

test("Where one URL may not be asked, nothing is stored, and the error names it", async ({ port }) => {
  const at = (path: string) => `http://localhost:${port}${path}`;
  await onNode(allowing(port), async ({ caller }) => {
    await caller.makeCollection("docs");
    const refused: Readonly<Record<string, string>> = {
      [at("/metadata")]: "forbidden",
      [at("/node")]: "forbidden", // a host that the list has not, at an address that may be asked
      [at("/missing")]: "invalid_request",
      [`http://2130706433:${port}/beagle`]: "forbidden",
      "http://169.254.169.254/latest/meta-data/": "forbidden",
      [`http://user:password@localhost:${port}/beagle`]: "invalid_request",
    };
    for (const [url, code] of Object.entries(refused)) {
      const error = await caller.refused(code, "POST", "/v1/collections/docs/urls", { urls: [at("/beagle"), url] });
      assert.is(error.param, "urls[1]", url);
    }
    const bodies: readonly (readonly [unknown, string])[] = [
      [{ urls: [] }, "urls"],
      [{ urls: Array.from({ length: 17 }, (_, place) => at(`/${place}`)) }, "urls"],
      [{ urls: [at("/beagle"), at("/beagle")] }, "urls[1].id"],
      [{ urls: [at(`/${"x".repeat(600)}`)] }, "urls[0]"],
      [{ urls: [{ url: at("/beagle"), text: "x" }] }, "urls[0].text"],
      [{ urls: [7] }, "urls[0]"],
      [{}, "urls"],
    ];
    for (const [body, param] of bodies) {
      assert.is((await caller.refused("invalid_request", "POST", "/v1/collections/docs/urls", body)).param, param);
    }
    await caller.refused("not_found", "POST", "/v1/collections/none/urls", { urls: [at("/beagle")] });
    assert.is((await caller.collection("docs")).documents, 0);
  });
});

test("The command line hands URLs to the server among files", async ({ port }) => {
  await onNode(allowing(port), async ({ caller }) => {
    const ended = await runKennel(["ingest", "docs", "README.md", `http://localhost:${port}/beagle`, "--json"], { KENNEL_URL: caller.url });
    assert.is(ended.exitCode, 0, ended.err);
    assert.is(JSON.parse(ended.out).counts.indexed, 2);
    const refused = await runKennel(["ingest", "docs", "http://10.0.0.1/"], { KENNEL_URL: caller.url });
    assert.is(refused.exitCode, 1);
    assert.match(refused.err, "not allowed here");
  });
});

test.run();
