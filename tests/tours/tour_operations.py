"""Calls that are no chats, through the official SDKs for Python: OpenAI, Google, Ollama, Cohere."""

import io
import json
import math
import time

import cohere
import ollama
import openai
from google import genai
from google.genai import types
from openai import OpenAI

from checks import BASE_URL, PNG, check, end, expect

client = OpenAI(base_url=f"{BASE_URL}/v1", api_key="tour-key", max_retries=0)
google = genai.Client(
    api_key="tour-key", http_options=types.HttpOptions(base_url=BASE_URL, api_version="v1beta")
)
local = ollama.Client(host=BASE_URL)
reranker = cohere.ClientV2(api_key="tour-key", base_url=BASE_URL)

MODEL = "openai/text-embedding-3-small"


def close(a, b):
    return len(a) == len(b) and all(math.isclose(x, y, abs_tol=1e-5) for x, y in zip(a, b))


def embeddings():
    # The SDK asks for base64 by itself and decodes it.
    answer = client.embeddings.create(model=MODEL, input=["the moon", "the sea"], dimensions=16)
    assert [item.index for item in answer.data] == [0, 1]
    plain = client.embeddings.create(
        model=MODEL, input="the moon", dimensions=16, encoding_format="float"
    )
    assert close(answer.data[0].embedding, plain.data[0].embedding)
    assert answer.usage.prompt_tokens > 0


def embeddings_elsewhere():
    wanted = client.embeddings.create(model=MODEL, input="the moon", dimensions=16)
    wanted = wanted.data[0].embedding
    one = google.models.embed_content(
        model=MODEL, contents="the moon", config=types.EmbedContentConfig(output_dimensionality=16)
    )
    assert close(one.embeddings[0].values, wanted)
    other = local.embed(model=MODEL, input=["the moon"], dimensions=16)
    assert close(other.embeddings[0], wanted)
    third = reranker.embed(
        model=MODEL,
        texts=["the moon"],
        input_type="search_document",
        embedding_types=["float"],
        output_dimension=16,
    )
    assert close(third.embeddings.float_[0], wanted)


def cohere_chat():
    question = [{"role": "user", "content": "say hello"}]
    for model in ("openai/cohere-tour", "anthropic/cohere-tour"):
        answer = reranker.chat(model=model, messages=question)
        assert answer.message.content[0].text and answer.finish_reason == "COMPLETE"
        types_seen = [event.type for event in reranker.chat_stream(model=model, messages=question)]
        assert types_seen[0] == "message-start" and types_seen[-1] == "message-end"
        assert "content-delta" in types_seen


def rerank():
    answer = reranker.rerank(
        model="openai/rerank-x",
        query="ruby language",
        documents=["Paris is in France", "Ruby is a language"],
        top_n=1,
    )
    assert (len(answer.results), answer.results[0].index) == (1, 1)
    assert answer.results[0].relevance_score > 0.5


def moderation():
    answer = client.moderations.create(input=["peace", "violence"])
    assert [result.flagged for result in answer.results] == [False, True]


def pictures():
    made = client.images.generate(model="openai/gpt-image-1", prompt="a stone", n=2)
    assert len(made.data) == 2 and made.usage.output_tokens > 0
    import base64

    file = ("stone.png", io.BytesIO(base64.b64decode(PNG)), "image/png")
    edited = client.images.edit(model="openai/gpt-image-1", image=file, prompt="make it red")
    assert edited.data[0].b64_json


def speech():
    with client.audio.speech.with_streaming_response.create(
        model="openai/tts-1", voice="alloy", input="hello there"
    ) as response:
        sound = b"".join(response.iter_bytes())
    assert sound == b"ID3hello there"


def transcription():
    file = ("a.wav", io.BytesIO(b"\x07" * 40_000), "audio/wav")
    said = client.audio.transcriptions.create(model="openai/whisper-1", file=file)
    assert "40000 bytes" in said.text
    file = ("a.wav", io.BytesIO(b"\x07" * 40_000), "audio/wav")
    subtitles = client.audio.translations.create(
        model="openai/whisper-1", file=file, response_format="srt"
    )
    assert "-->" in subtitles


def batch():
    lines = [
        {
            "custom_id": f"r{at}",
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": MODEL, "input": f"text {at}"},
        }
        for at in range(4)
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    file = client.files.create(file=("in.jsonl", text.encode()), purpose="batch")
    begun = client.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
    )
    deadline = time.monotonic() + 20
    while (done := client.batches.retrieve(begun.id)).status != "completed":
        assert done.status in ("in_progress", "finalizing"), done
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answers = client.files.content(done.output_file_id).text.splitlines()
    assert sorted(json.loads(line)["custom_id"] for line in answers) == ["r0", "r1", "r2", "r3"]
    assert done.request_counts.completed == 4
    assert begun.id in [known.id for known in client.batches.list()]
    assert client.files.delete(file.id).deleted


def errors():
    error = expect(
        openai.BadRequestError,
        lambda: client.embeddings.create(model="anthropic/claude-x", input="x"),
    )
    assert error.param == "model"
    expect(
        openai.NotFoundError, lambda: client.embeddings.create(model="none-such", input="x")
    )
    expect(
        cohere.NotFoundError,
        lambda: reranker.rerank(model="none-such", query="x", documents=["y"]),
    )


check("embeddings", embeddings)
check("embeddings through other SDKs", embeddings_elsewhere)
check("Cohere's chat", cohere_chat)
check("rerank", rerank)
check("moderation", moderation)
check("pictures", pictures)
check("speech", speech)
check("transcription", transcription)
check("files and batches", batch)
check("errors", errors)
end()
