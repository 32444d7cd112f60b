"""The official OpenAI SDK for Python against the gateway."""

import asyncio
import json
from decimal import Decimal

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from checks import (
    BASE_URL,
    LOCKED_KEY,
    LOCKED_URL,
    PDF,
    PNG,
    PROVIDERS,
    arrivals,
    check,
    end,
    expect,
    named,
    sent,
    wait_until_left,
)

client = OpenAI(base_url=f"{BASE_URL}/v1", api_key="tour-key", max_retries=0)


def tool(name):
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": "Something about a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    }


WEATHER = tool("get_weather")
TIME = tool("get_time")


class City(BaseModel):
    name: str
    population: int


def user(content):
    return {"role": "user", "content": content}


def ask(model, content, **more):
    return client.chat.completions.create(model=model, messages=[user(content)], **more)


# === Text ===


def plain(provider):
    answer = ask(named(provider, "plain"), "Say hello")
    assert answer.object == "chat.completion" and answer.id, answer
    choice = answer.choices[0]
    assert "Say hello" in choice.message.content, answer
    assert choice.finish_reason == "stop" and choice.message.role == "assistant", answer
    usage = answer.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, answer
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, answer


def headers(provider):
    raw = client.chat.completions.with_raw_response.create(
        model=named(provider, "headers"), messages=[user("Say hello")]
    )
    shown = raw.headers
    for name in ("x-gateway-call-id", "x-gateway-layer", "x-gateway-route-reason"):
        assert shown.get(name), (name, dict(shown))
    assert shown["x-gateway-model"] == named(provider, "headers"), dict(shown)
    assert shown["x-gateway-cost-usd"] == "unpriced", dict(shown)


def system_and_limits(provider):
    what = "limits"
    answer = client.chat.completions.create(
        model=named(provider, what),
        messages=[{"role": "system", "content": "You are terse."}, user("Count to a thousand")],
        temperature=0.5,
        max_tokens=3,
    )
    assert answer.choices[0].finish_reason == "length", answer
    body = sent(what)
    assert body["temperature"] == 0.5 and "You are terse." in json.dumps(body), body
    answer = ask(named(provider, what), "Count to a thousand", stop=["thousand"])
    assert answer.choices[0].finish_reason == "stop", answer
    assert "thousand" not in answer.choices[0].message.content, answer


def conversation(provider):
    messages = [
        {"role": "developer", "content": "You are terse."},
        user("My name is Ada"),
        {"role": "assistant", "content": "Hello Ada"},
        user([{"type": "text", "text": "What is"}, {"type": "text", "text": "my name?"}]),
    ]
    answer = client.chat.completions.create(
        model=named(provider, "conversation"), messages=messages
    )
    assert "my name?" in answer.choices[0].message.content, answer
    assert "Hello Ada" in json.dumps(sent("conversation"))


def stream(provider):
    text, finish, usage, chunks, ids = "", None, None, 0, set()
    answer = ask(
        named(provider, "stream"),
        "Count to five",
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in answer:
        chunks += 1
        ids.add(chunk.id)
        if chunk.usage:
            usage = chunk.usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert chunks > 3 and "Count to five" in text and finish == "stop", (chunks, text, finish)
    assert len(ids) == 1, ids
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage


def stream_without_usage(provider):
    for chunk in ask(named(provider, "no-usage"), "Count to five", stream=True):
        assert chunk.choices, "a client that asked for no usage gets no chunk without choices"
        assert chunk.usage is None, chunk


def stream_helper(provider):
    with client.chat.completions.stream(
        model=named(provider, "helper"), messages=[user("Count to five")]
    ) as events:
        kinds = {event.type for event in events}
        final = events.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds, kinds
    assert "Count to five" in final.choices[0].message.content, final


# === Tools ===


def tools_forced(provider):
    model = named(provider, "tools")
    messages = [user("What is the weather in Paris?")]
    first = client.chat.completions.create(
        model=model, messages=messages, tools=[WEATHER], tool_choice="required"
    )
    calls = first.choices[0].message.tool_calls
    assert first.choices[0].finish_reason == "tool_calls" and len(calls) == 1, first
    assert calls[0].function.name == "get_weather" and calls[0].id, calls
    assert "city" in json.loads(calls[0].function.arguments), calls
    messages.append(first.choices[0].message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": calls[0].id, "content": "21 degrees"})
    second = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    assert "21 degrees" in second.choices[0].message.content, second
    assert second.choices[0].finish_reason == "stop", second


def tools_parallel(provider):
    model = named(provider, "parallel")
    messages = [user("The weather and the time in Paris?")]
    both = {"model": model, "messages": messages, "tools": [WEATHER, TIME]}
    first = client.chat.completions.create(**both)
    calls = first.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"], first
    messages.append(first.choices[0].message)
    for call, result in zip(calls, ("sunny", "noon")):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    second = client.chat.completions.create(**both)
    text = second.choices[0].message.content
    assert "sunny" in text and "noon" in text, second
    one = ask(
        model, "The weather and the time?", tools=[WEATHER, TIME], parallel_tool_calls=False
    )
    assert len(one.choices[0].message.tool_calls) == 1, one
    none = ask(model, "The weather?", tools=[WEATHER], tool_choice="none")
    assert not none.choices[0].message.tool_calls and none.choices[0].message.content, none


def tools_named_and_streamed(provider):
    calls, finish = {}, None
    answer = ask(
        named(provider, "named"),
        "Weather in Rome?",
        tools=[TIME, WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        stream=True,
    )
    pieces = 0
    for chunk in answer:
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
                call["id"] = delta.id or call["id"]
                call["name"] += delta.function.name or ""
                call["arguments"] += delta.function.arguments or ""
                pieces += 1
    assert list(calls) == [0] and calls[0]["id"] and calls[0]["name"] == "get_weather", calls
    assert "city" in json.loads(calls[0]["arguments"]), calls
    assert pieces > 1 and finish in ("tool_calls", "stop"), (pieces, finish)


def tools_stream_helper(provider):
    with client.chat.completions.stream(
        model=named(provider, "tools-helper"),
        messages=[user("The weather and the time in Paris?")],
        tools=[WEATHER, TIME],
    ) as events:
        done = [e for e in events if e.type == "tool_calls.function.arguments.done"]
        final = events.get_final_completion()
    assert [event.name for event in done] == ["get_weather", "get_time"], done
    assert len(final.choices[0].message.tool_calls) == 2, final


# === Structured output ===


def structured(provider):
    answer = client.chat.completions.parse(
        model=named(provider, "parse"), messages=[user("Name a city")], response_format=City
    )
    assert isinstance(answer.choices[0].message.parsed, City), answer


def structured_streamed(provider):
    with client.chat.completions.stream(
        model=named(provider, "parse-stream"),
        messages=[user("Name a city")],
        response_format=City,
    ) as events:
        final = events.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, City), final


def json_object(provider):
    answer = ask(
        named(provider, "json"), "Answer in JSON", response_format={"type": "json_object"}
    )
    assert answer.choices[0].message.content, answer


# === Pictures, papers, thoughts ===


def image(provider):
    answer = ask(
        named(provider, "image"),
        [
            {"type": "text", "text": "What is in this picture?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        ],
    )
    assert "I see 1 image" in answer.choices[0].message.content, answer
    assert PNG in json.dumps(sent("image")), "the picture reached the provider"


def pdf(provider):
    file = {"filename": "report.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    answer = ask(
        named(provider, "pdf"),
        [{"type": "text", "text": "What does it say?"}, {"type": "file", "file": file}],
    )
    assert "read 1 document" in answer.choices[0].message.content, answer
    assert PDF in json.dumps(sent("pdf")), "the document reached the provider"


def thinking(provider):
    what = "thinking"
    messages = [user("What is the weather in Paris?")]
    more = {"tools": [WEATHER], "reasoning_effort": "high", "max_completion_tokens": 20_000}
    first = client.chat.completions.create(model=named(provider, what), messages=messages, **more)
    message = first.choices[0].message.model_dump(exclude_none=True)
    assert message["tool_calls"] and message["reasoning_content"], first
    assert first.usage.completion_tokens > 0, first
    messages.append(message)
    call = message["tool_calls"][0]
    messages.append({"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"})
    second = client.chat.completions.create(model=named(provider, what), messages=messages, **more)
    assert "21 degrees" in second.choices[0].message.content, second
    if provider == "anthropic":
        signature = message["reasoning_details"][0]["signature"]
        thought = sent(what)["messages"][1]["content"][0]
        assert thought["type"] == "thinking" and thought["signature"] == signature, thought


def thinking_streamed(provider):
    thoughts, text = "", ""
    answer = ask(
        named(provider, "thinking-stream"), "Think", reasoning_effort="low", stream=True
    )
    for chunk in answer:
        for choice in chunk.choices:
            delta = choice.delta.model_dump()
            thoughts += delta.get("reasoning_content") or ""
            text += delta.get("content") or ""
    assert thoughts and text, (thoughts, text)


def unknown_fields(provider):
    answer = ask(named(provider, "unknown"), "hi", extra_body={"x_not_yet_known": {"a": [1]}})
    assert answer.choices[0].message.content, answer
    if provider == "openai":
        assert sent("unknown")["x_not_yet_known"] == {"a": [1]}, sent("unknown")


# === What goes wrong ===


def cancelled_stream(provider):
    answer = ask(named(provider, "leave", "stall=8"), "Tell me a long story", stream=True)
    for _chunk in answer:
        break
    answer.close()
    wait_until_left("leave")


def cancelled_wait(provider):
    impatient = client.with_options(timeout=0.5)
    expect(
        openai.APITimeoutError,
        lambda: impatient.chat.completions.create(
            model=named(provider, "leave-early", "never"), messages=[user("hi")]
        ),
    )
    wait_until_left("leave-early")


def provider_rate_limit(provider):
    error = expect(
        openai.RateLimitError,
        lambda: ask(named(provider, "limited", "429-retry-after=30"), "hi"),
    )
    assert 25 <= int(error.response.headers["retry-after"]) <= 30, error.response.headers
    assert error.type == "rate_limit_error" or error.code, error.body


def provider_failure(provider):
    error = expect(
        openai.InternalServerError, lambda: ask(named(provider, "broken", "500"), "hi")
    )
    assert error.status_code in (502, 503), error
    assert error.body["message"] and error.response.headers["x-gateway-call-id"], error.body


def provider_overflow(provider):
    error = expect(
        openai.BadRequestError, lambda: ask(named(provider, "long", "context-overflow"), "hi")
    )
    assert error.code == "context_length_exceeded", error.body


def broken_stream(provider):
    for what, fault in (("error-inside", "stream-error"), ("reset", "reset=4")):
        answer = ask(named(provider, what, fault), "Tell me a long story", stream=True)
        error = expect(openai.APIError, lambda: list(answer))
        assert not isinstance(error, openai.APIConnectionError), error


def errors():
    error = expect(openai.NotFoundError, lambda: ask("no-such-model-anywhere", "hi"))
    assert error.code == "model_not_found" and error.param == "model", error.body
    error = expect(
        openai.BadRequestError, lambda: client.chat.completions.create(model="auto", messages=[])
    )
    assert error.param == "messages", error.body
    error = expect(openai.BadRequestError, lambda: ask("auto", 7))
    assert error.param == "messages[0].content", error.body
    error = expect(openai.BadRequestError, lambda: ask("auto", "hi", temperature="warm"))
    assert error.param == "temperature", error.body
    error = expect(openai.NotFoundError, lambda: client.models.retrieve("no-such-model"))
    assert error.code == "model_not_found", error.body


def keys():
    locked = OpenAI(base_url=f"{LOCKED_URL}/v1", api_key="wrong-key", max_retries=0)
    error = expect(openai.AuthenticationError, locked.models.list)
    assert error.body["message"], error
    locked = locked.with_options(api_key=LOCKED_KEY)
    answer = locked.chat.completions.create(model="auto", messages=[user("hi")])
    assert answer.choices[0].message.content, answer


def models():
    ids = [model.id for model in client.models.list()]
    assert ids[0] == "auto" and len(ids) == len(set(ids)) and len(ids) > 20, ids
    for wanted in ("auto", next(name for name in ids if name.startswith("anthropic/"))):
        assert client.models.retrieve(wanted).id == wanted


def priced():
    name = next(m.id for m in client.models.list() if m.id.startswith("openai/gpt"))
    raw = client.chat.completions.with_raw_response.create(model=name, messages=[user("hi")])
    assert Decimal(raw.headers["x-gateway-cost-usd"]) > 0, (name, dict(raw.headers))
    assert raw.headers["x-gateway-model"] == name, dict(raw.headers)
    assert raw.parse().choices[0].message.content


async def in_parallel(provider):
    async with AsyncOpenAI(
        base_url=f"{BASE_URL}/v1", api_key="tour-key", max_retries=0
    ) as many:

        async def one(number):
            what = f"async-{number}"
            answer = await many.chat.completions.create(
                model=named(provider, what), messages=[user(f"Question {number}")]
            )
            assert f"Question {number}" in answer.choices[0].message.content, answer

        await asyncio.gather(*(one(number) for number in range(16)))
        stream = await many.chat.completions.create(
            model=named(provider, "async-leave", "stall=8"),
            messages=[user("Tell me a long story")],
            stream=True,
        )

        async def read():
            async for _chunk in stream:
                pass

        reading = asyncio.create_task(read())
        while not any(request["status"] == 200 for request in arrivals("async-leave")):
            await asyncio.sleep(0.02)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await stream.close()
        await asyncio.to_thread(wait_until_left, "async-leave")


def main():
    for provider in PROVIDERS:
        for run in (
            plain,
            headers,
            system_and_limits,
            conversation,
            stream,
            stream_without_usage,
            stream_helper,
            tools_forced,
            tools_parallel,
            tools_named_and_streamed,
            tools_stream_helper,
            structured,
            structured_streamed,
            json_object,
            image,
            pdf,
            thinking,
            thinking_streamed,
            unknown_fields,
            cancelled_stream,
            cancelled_wait,
            provider_rate_limit,
            provider_failure,
            provider_overflow,
            broken_stream,
        ):
            check(f"{run.__name__} over {provider}", run, provider)
        check(f"in_parallel over {provider}", lambda: asyncio.run(in_parallel(provider)))
    for run in (errors, keys, models, priced):
        check(run.__name__, run)
    end()


main()
