/** Requests of tests, and a check that an error has the documented shape. */
import { request } from "node:http";
import * as assert from "uvu/assert";
import { ERROR_TABLE, type ErrorCode } from "../../../runtime/errors.ts";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as JSON. */
  readonly body: Record<string, unknown>;
}

export interface Call {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends JSON, or a string or bytes as they are. */
export async function call(url: string, method: string, path: string, { body, headers = {} }: Call = {}): Promise<Reply> {
  const isRaw = typeof body === "string" || body instanceof Uint8Array || body instanceof FormData;
  const content = isRaw ? (body as BodyInit) : JSON.stringify(body);
  const type: Record<string, string> = body === undefined || body instanceof FormData ? {} : { "content-type": "application/json" };
  const response = await fetch(url + path, { method, headers: { ...type, ...headers }, ...(body === undefined ? {} : { body: content }) });
  return replyOf(response.status, response.headers, await response.text());
}

/** Sends the path as it stands: `fetch` would take `..` out of it. */
export function callRaw(port: number, method: string, path: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method, path }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => resolve(replyOf(response.statusCode ?? 0, new Headers(), text)));
    });
    sent.on("error", reject);
    sent.end();
  });
}

function replyOf(status: number, headers: Headers, text: string): Reply {
  return {
    status,
    headers,
    text,
    get body() {
      return JSON.parse(text) as Record<string, unknown>;
    },
  };
}

interface WireError {
  readonly message: string;
  readonly type: string;
  readonly code: ErrorCode;
  readonly param: string | null;
}

/** The error of a reply, which must be a whole and short row of the error table. */
export function errorOf(reply: Reply, name: string): WireError {
  const error = reply.body.error as WireError;
  const row = ERROR_TABLE[error.code];
  assert.ok(row, `${name}: ${error.code} is in the table`);
  assert.is(reply.status, row.http, `${name}: status of ${error.code}`);
  assert.is(error.type, row.type, name);
  assert.equal(Object.keys(error).sort(), ["code", "message", "param", "type"], name);
  assert.ok(error.message.length > 0 && reply.text.length < 2_000, `${name}: the message is short`);
  return error;
}
