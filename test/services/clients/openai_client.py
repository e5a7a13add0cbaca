"""OpenAI's client against a node: prints a JSON line for each call, with what came of it."""

import json
import os

import openai

client = openai.OpenAI(base_url=os.environ["KENNEL_URL"] + "/v1", api_key="none", max_retries=0)


def tell(call, work):
    try:
        outcome = work()
    except openai.APIStatusError as error:
        outcome = {"raised": type(error).__name__, "status": error.status_code, "code": error.code, "param": error.param}
    print(json.dumps({"call": call, "outcome": outcome}))


def found(page):
    return [{"filename": hit.filename, "attributes": hit.attributes, "text": hit.content[0].text} for hit in page.data]


def answered(completion):
    message = completion.choices[0].message
    cited = [note["document_id"] for note in message.model_dump()["annotations"]]
    return {"content": message.content, "cites": cited, "finish_reason": completion.choices[0].finish_reason}


def streamed(chunks):
    text, cited = "", []
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            cited += [note["document_id"] for note in choice.delta.model_dump().get("annotations") or []]
    return {"content": text, "cites": cited}


ASK = [{"role": "user", "content": "Which cat has no tail?"}]

tell("models.list()", lambda: [model.id for model in client.models.list().data])
tell('models.retrieve("none")', lambda: client.models.retrieve("none").id)
tell(
    'embeddings.create(model="static-minilm-256", input=["hare", "hound"])',
    lambda: [len(item.embedding) for item in client.embeddings.create(model="static-minilm-256", input=["hare", "hound"]).data],
)
tell(
    'embeddings.create(model="static-minilm-256", input="hare", dimensions=7)',
    lambda: client.embeddings.create(model="static-minilm-256", input="hare", dimensions=7).model,
)
tell(
    'vector_stores.search("pets", query="hunting hare", max_num_results=1)',
    lambda: found(client.vector_stores.search("pets", query="hunting hare", max_num_results=1)),
)
tell(
    'vector_stores.search("pets", query="tail", filters={"type": "eq", "key": "kind", "value": "dog"})',
    lambda: found(client.vector_stores.search("pets", query="tail", filters={"type": "eq", "key": "kind", "value": "dog"})),
)
tell('vector_stores.search("none", query="hare")', lambda: found(client.vector_stores.search("none", query="hare")))
tell(
    'chat.completions.create(model="pets", messages=ASK)',
    lambda: answered(client.chat.completions.create(model="pets", messages=ASK)),
)
tell(
    'chat.completions.create(model="pets", messages=ASK, stream=True)',
    lambda: streamed(client.chat.completions.create(model="pets", messages=ASK, stream=True)),
)
tell(
    'chat.completions.create(model="none", messages=ASK)',
    lambda: answered(client.chat.completions.create(model="none", messages=ASK)),
)
tell(
    'chat.completions.create(model="pets", messages=[])',
    lambda: answered(client.chat.completions.create(model="pets", messages=[])),
)
