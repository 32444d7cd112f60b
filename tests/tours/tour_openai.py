"""The official OpenAI SDK for Python against the gateway."""

import json
import time
import urllib.request

import openai
from openai import OpenAI
from pydantic import BaseModel

from checks import BASE_URL, MODELS, PNG, SIMULATOR_URL, check, end

client = OpenAI(base_url=f"{BASE_URL}/v1", api_key="tour-key", max_retries=0)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class City(BaseModel):
    name: str
    population: int


def ask(model, text, **more):
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], **more
    )


def plain(model):
    answer = ask(model, "Say hello")
    assert answer.object == "chat.completion", answer
    assert answer.choices[0].message.content, answer
    assert answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0, answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def headers(model):
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "Say hello"}]
    )
    for name in ("x-gateway-call-id", "x-gateway-model", "x-gateway-layer", "x-gateway-route-reason"):
        assert raw.headers.get(name), (name, dict(raw.headers))
    assert raw.headers.get("x-gateway-cost-usd") is not None, dict(raw.headers)


def stream(model):
    text, finish, usage, chunks = "", None, None, 0
    for chunk in ask(model, "Count to five", stream=True, stream_options={"include_usage": True}):
        chunks += 1
        if chunk.usage:
            usage = chunk.usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert chunks > 2 and text and finish == "stop", (chunks, text, finish)
    assert usage and usage.completion_tokens > 0, usage


def stream_without_usage(model):
    for chunk in ask(model, "Count to five", stream=True):
        assert chunk.choices, "a client that asked for no usage gets no chunk without choices"


def tools(model):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat.completions.create(
        model=model, messages=messages, tools=[WEATHER], tool_choice="required"
    )
    calls = first.choices[0].message.tool_calls
    assert first.choices[0].finish_reason == "tool_calls" and calls, first
    arguments = json.loads(calls[0].function.arguments)
    assert calls[0].function.name == "get_weather" and "city" in arguments, calls
    messages.append(first.choices[0].message.model_dump(exclude_none=True))
    for call in calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees, sunny"})
    second = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content, second
    assert second.choices[0].finish_reason == "stop", second


def tools_named_and_streamed(model):
    calls = {}
    finish = None
    choice = {"type": "function", "function": {"name": "get_weather"}}
    for chunk in ask(model, "Weather in Rome?", tools=[WEATHER], tool_choice=choice, stream=True):
        for part in chunk.choices:
            finish = part.finish_reason or finish
            for delta in part.delta.tool_calls or []:
                call = calls.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
                call["id"] = delta.id or call["id"]
                call["name"] += delta.function.name or ""
                call["arguments"] += delta.function.arguments or ""
    assert calls and calls[0]["id"] and calls[0]["name"] == "get_weather", calls
    assert "city" in json.loads(calls[0]["arguments"]), calls
    assert finish in ("tool_calls", "stop"), finish


def structured(model):
    answer = client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": "Name a city"}],
        response_format=City,
    )
    city = answer.choices[0].message.parsed
    assert isinstance(city, City), answer


def image(model):
    answer = client.chat.completions.create(
        model=model,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in this picture?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            }
        ],
    )
    assert answer.choices[0].message.content, answer
    sent = json.dumps(last_request())
    assert PNG in sent, "the picture reached the provider"


def system_and_parameters(model):
    answer = client.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": "Count to a thousand"},
        ],
        temperature=0,
        max_tokens=3,
    )
    assert answer.choices[0].finish_reason == "length", answer
    assert last_request()["body"]["temperature"] == 0


def last_request():
    with urllib.request.urlopen(f"{SIMULATOR_URL}/_simulator/requests") as reply:
        request = json.load(reply)["requests"][-1]
    body = request["body"]
    request["body"] = json.loads(body) if isinstance(body, str) else body
    return request


def cancellation(model):
    provider = model.split("/")[0]
    answer = ask(f"{provider}/fault:stall-after-frames=3", "Tell me a long story", stream=True)
    for _chunk in answer:
        break
    answer.response.close()
    deadline = time.monotonic() + 10
    while not last_request().get("client_left"):
        assert time.monotonic() < deadline, "the provider was not told that the client left"
        time.sleep(0.05)


def expect(kind, run):
    try:
        run()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def errors():
    error = expect(openai.NotFoundError, lambda: ask("no-such-model-anywhere", "hi"))
    assert error.code == "model_not_found", error.body
    error = expect(openai.BadRequestError, lambda: client.chat.completions.create(model="auto", messages=[]))
    assert "messages" in str(error), error
    error = expect(
        openai.BadRequestError,
        lambda: client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": 7}]
        ),
    )
    assert "messages[0].content" in str(error), error


def provider_errors(model):
    provider = model.split("/")[0]
    expect(openai.RateLimitError, lambda: ask(f"{provider}/fault:status=429,retry-after=30", "hi"))
    error = expect(openai.APIStatusError, lambda: ask(f"{provider}/fault:status=500", "hi"))
    assert error.status_code in (502, 503), error
    expect(openai.BadRequestError, lambda: ask(f"{provider}/fault:context-overflow", "hi"))


def model_list():
    ids = [model.id for model in client.models.list()]
    for name in ("auto", "L0"):
        assert name in ids, ids[:20]
    assert client.models.retrieve(ids[0]).id == ids[0]


for model in MODELS:
    for run in (
        plain,
        headers,
        stream,
        stream_without_usage,
        tools,
        tools_named_and_streamed,
        structured,
        image,
        system_and_parameters,
        cancellation,
        provider_errors,
    ):
        check(f"{run.__name__} over {model}", lambda: run(model))
check("errors", errors)
check("model_list", model_list)
end("openai for python")
