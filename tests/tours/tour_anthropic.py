"""The official Anthropic SDK for Python against the gateway."""

import json
import time
import urllib.request

import anthropic
from anthropic import Anthropic

from checks import BASE_URL, MODELS, PNG, SIMULATOR_URL, check, end

client = Anthropic(base_url=BASE_URL, api_key="tour-key", max_retries=0)

WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}

CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["name", "population"],
    "additionalProperties": False,
}


def ask(model, content, **more):
    more.setdefault("max_tokens", 1024)
    return client.messages.create(
        model=model, messages=[{"role": "user", "content": content}], **more
    )


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def plain(model):
    answer = ask(model, "Say hello")
    assert answer.type == "message" and answer.role == "assistant", answer
    assert text_of(answer) and answer.stop_reason == "end_turn", answer
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer


def stream(model):
    with client.messages.stream(
        model=model, max_tokens=1024, messages=[{"role": "user", "content": "Count to five"}]
    ) as events:
        text = "".join(events.text_stream)
        final = events.get_final_message()
    assert text and text == text_of(final), (text, final)
    assert final.stop_reason == "end_turn" and final.usage.output_tokens > 0, final


def raw_events(model):
    kinds = [event.type for event in ask(model, "Say hello", stream=True)]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds
    assert kinds[-2] == "message_delta" and "content_block_delta" in kinds, kinds


def tools(model):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.messages.create(
        model=model, max_tokens=1024, messages=messages, tools=[WEATHER], tool_choice={"type": "any"}
    )
    uses = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use" and uses, first
    assert uses[0].name == "get_weather" and "city" in uses[0].input, uses
    messages.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]})
    messages.append(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": use.id, "content": "21 degrees, sunny"}
                for use in uses
            ],
        }
    )
    second = client.messages.create(model=model, max_tokens=1024, messages=messages, tools=[WEATHER])
    assert text_of(second) and second.stop_reason == "end_turn", second


def tools_streamed(model):
    with client.messages.stream(
        model=model,
        max_tokens=1024,
        messages=[{"role": "user", "content": "Weather in Rome?"}],
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "get_weather"},
    ) as events:
        final = events.get_final_message()
    uses = [block for block in final.content if block.type == "tool_use"]
    assert uses and "city" in uses[0].input, final


def structured(model):
    answer = ask(
        model,
        "Name a city",
        output_config={"format": {"type": "json_schema", "schema": CITY}},
    )
    city = json.loads(text_of(answer))
    assert set(city) == {"name", "population"}, city


def image(model):
    answer = ask(
        model,
        [
            {"type": "text", "text": "What is in this picture?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        ],
    )
    assert text_of(answer), answer
    assert PNG in json.dumps(last_request()), "the picture reached the provider"


def thinking(model):
    answer = ask(
        model, "Think hard", max_tokens=4096, thinking={"type": "enabled", "budget_tokens": 2048}
    )
    assert text_of(answer), answer


def limits(model):
    answer = ask(model, "Count to a thousand", max_tokens=3, temperature=0.0, system="You are terse.")
    assert answer.stop_reason == "max_tokens", answer


def last_request():
    with urllib.request.urlopen(f"{SIMULATOR_URL}/_simulator/requests") as reply:
        return json.load(reply)["requests"][-1]


def cancellation(model):
    provider = model.split("/")[0]
    answer = ask(f"{provider}/fault:stall-after-frames=3", "Tell me a long story", stream=True)
    for _event in answer:
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
    error = expect(anthropic.NotFoundError, lambda: ask("no-such-model-anywhere", "hi"))
    assert error.body["error"]["type"] == "not_found_error", error.body
    error = expect(
        anthropic.BadRequestError,
        lambda: client.messages.create(model="auto", max_tokens=10, messages=[]),
    )
    assert "messages" in str(error), error


def provider_errors(model):
    provider = model.split("/")[0]
    expect(anthropic.RateLimitError, lambda: ask(f"{provider}/fault:status=429,retry-after=30", "hi"))
    expect(anthropic.APIStatusError, lambda: ask(f"{provider}/fault:status=500", "hi"))
    error = expect(anthropic.BadRequestError, lambda: ask(f"{provider}/fault:context-overflow", "hi"))
    assert "prompt is too long" in str(error), error


def model_list():
    page = client.models.list(limit=5)
    assert page.data and page.data[0].type == "model", page
    assert client.models.retrieve(page.data[0].id).id == page.data[0].id


def count_tokens(model):
    count = client.messages.count_tokens(
        model=model, messages=[{"role": "user", "content": "How long is this?"}]
    )
    assert count.input_tokens > 0, count


for model in MODELS:
    for run in (
        plain,
        stream,
        raw_events,
        tools,
        tools_streamed,
        structured,
        image,
        thinking,
        limits,
        cancellation,
        provider_errors,
        count_tokens,
    ):
        check(f"{run.__name__} over {model}", lambda: run(model))
check("errors", errors)
check("model_list", model_list)
end("anthropic for python")
