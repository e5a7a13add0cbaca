"""Cohere's client, of both its versions, against a node: prints a JSON line for each call, with what came of it."""

import json
import os

import cohere
from cohere.core.api_error import ApiError

MODEL = "static-minilm-256"
DOCUMENTS = ["A cat without a tail, from the Isle of Man.", "A small scent hound, bred to hunt hare.", "zzqqxxyy"]
QUERY = "dogs that hunt"

url = os.environ["KENNEL_URL"]
second = cohere.ClientV2(api_key="none", base_url=url, max_retries=0)
first = cohere.Client(api_key="none", base_url=url, max_retries=0)


def tell(call, work):
    try:
        outcome = work()
    except ApiError as error:
        said = error.body["error"] if isinstance(error.body, dict) else error.body
        outcome = {"raised": type(error).__name__, "status": error.status_code, "code": said["code"], "param": said["param"]}
    print(json.dumps({"call": call, "outcome": outcome}))


def ranked(answer):
    scores = [result.relevance_score for result in answer.results]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores), scores
    return [result.index for result in answer.results]


tell(
    "ClientV2.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)",
    lambda: ranked(second.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)),
)
tell(
    "ClientV2.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=1)",
    lambda: ranked(second.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=1)),
)
tell(
    "Client.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)",
    lambda: ranked(first.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)),
)
tell(
    'ClientV2.rerank(model="rerank-v4.0-pro", query=QUERY, documents=DOCUMENTS)',
    lambda: ranked(second.rerank(model="rerank-v4.0-pro", query=QUERY, documents=DOCUMENTS)),
)
tell("ClientV2.rerank(model=MODEL, query=QUERY, documents=[])", lambda: ranked(second.rerank(model=MODEL, query=QUERY, documents=[])))
tell(
    'ClientV2.rerank(model=MODEL, query=QUERY, documents=["a"] * 1_001)',
    lambda: ranked(second.rerank(model=MODEL, query=QUERY, documents=["a"] * 1_001)),
)
tell('ClientV2.rerank(model=MODEL, query="", documents=DOCUMENTS)', lambda: ranked(second.rerank(model=MODEL, query="", documents=DOCUMENTS)))
tell(
    "ClientV2.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=0)",
    lambda: ranked(second.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=0)),
)
