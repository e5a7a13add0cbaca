"""Asks Kennel over NATS, with NATS' own client for Python: a search, one whose answer does not fit into a message, an error, and
a conversation as it is written.

    pip install nats-py
    NATS_URL=nats://127.0.0.1:4222 python examples/nats_ask.py "what happens when a retriever crashes?"
"""

import asyncio
import json
import os
import sys

import nats

QUESTION = sys.argv[1] if len(sys.argv) > 1 else "what happens when a retriever crashes?"
# How long an answer is waited for; Kennel is told, so that it works no longer than that.
TIMEOUT_S = 10
DEADLINE = {"X-Request-Timeout-Ms": str(TIMEOUT_S * 1000)}


def body_of(message):
    failure = (message.headers or {}).get("Kennel-Error-Code")
    if failure:
        raise RuntimeError(f"{failure}: {message.headers['Nats-Service-Error']}")
    return json.loads(message.data)


async def main():
    client = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))

    async def ask(subject, body):
        return await client.request(subject, json.dumps(body).encode(), timeout=TIMEOUT_S, headers=DEADLINE)

    found = body_of(await ask("kennel.v1.search.kennel", {"query": QUESTION, "top_k": 3}))
    for hit in found["data"]:
        print(f"{hit['score']:.3f} {hit['document_id']} ({found['mode']})")

    top_k = 1_000
    many = await ask("kennel.v1.search.kennel", {"query": QUESTION, "top_k": top_k})
    if (many.headers or {}).get("Kennel-Error-Code") == "payload_too_large":
        # It says how large the answer was and what a message may have, so that fewer hits can be asked for.
        fitting = int(many.headers["Kennel-Max-Bytes"]) / int(many.headers["Kennel-Answer-Bytes"])
        many = await ask("kennel.v1.search.kennel", {"query": QUESTION, "top_k": max(1, int(top_k * fitting / 2))})
    print(len(body_of(many)["data"]), "hits in one answer")

    refused = await ask("kennel.v1.search.no-such-collection", {"query": QUESTION})
    print(refused.headers["Kennel-Error-Code"], refused.headers["Nats-Service-Error"])

    inbox = client.new_inbox()
    chunks = await client.subscribe(inbox)
    chat = {"messages": [{"role": "user", "content": QUESTION}]}
    await client.publish("kennel.v1.chat.kennel", json.dumps(chat).encode(), reply=inbox, headers=DEADLINE)
    print("answer: ", end="")
    while (chunk := await chunks.next_msg(timeout=TIMEOUT_S)).data:
        choices = body_of(chunk)["choices"]
        print(choices[0]["delta"].get("content", "") if choices else "", end="")
    print()
    await client.close()


asyncio.run(main())
