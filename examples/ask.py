"""OpenAI's client against Kennel: what can be asked, a search with its passages, and embeddings.

pip install openai
python examples/ask.py "what happens when a retriever crashes?"
"""

import os
import sys

from openai import OpenAI

question = sys.argv[1] if len(sys.argv) > 1 else "what happens when a retriever crashes?"
url = os.environ.get("KENNEL_URL", "http://127.0.0.1:7400")
client = OpenAI(base_url=f"{url}/v1", api_key=os.environ.get("KENNEL_API_KEY", "none"))

for model in client.models.list():
    print("model", model.id)

for hit in client.vector_stores.search("kennel", query=question, max_num_results=3):
    print(f"{hit.score:.2f}", hit.filename, hit.content[0].text[:80])

embeddings = client.embeddings.create(model="static-minilm-256", input=[question])
print("dimensions", len(embeddings.data[0].embedding))
