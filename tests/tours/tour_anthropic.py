"""The official Anthropic SDK for Python against the gateway."""

import asyncio
import json
from decimal import Decimal

import anthropic
from anthropic import Anthropic, AsyncAnthropic, beta_tool
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

client = Anthropic(base_url=BASE_URL, api_key="tour-key", max_retries=0)


def tool(name):
    return {
        "name": name,
        "description": "Something about a city",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }


WEATHER = tool("get_weather")
TIME = tool("get_time")


class City(BaseModel):
    name: str
    population: int


def user(content):
    return {"role": "user", "content": content}


def say(model, messages, **more):
    more.setdefault("max_tokens", 1024)
    return client.messages.create(model=model, messages=messages, **more)


def ask(model, content, **more):
    return say(model, [user(content)], **more)


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def uses_of(message):
    return [block for block in message.content if block.type == "tool_use"]


def result(use, content):
    return {"type": "tool_result", "tool_use_id": use.id, "content": content}


# === Text ===


def plain(provider):
    answer = ask(named(provider, "plain"), "Say hello")
    assert answer.type == "message" and answer.role == "assistant" and answer.id, answer
    assert "Say hello" in text_of(answer), answer
    assert answer.stop_reason == "end_turn" and answer.stop_sequence is None, answer
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer


def headers(provider):
    raw = client.messages.with_raw_response.create(
        model=named(provider, "headers"), max_tokens=64, messages=[user("Say hello")]
    )
    shown = raw.headers
    for name in ("x-gateway-call-id", "x-gateway-layer", "x-gateway-route-reason"):
        assert shown.get(name), (name, dict(shown))
    assert shown["x-gateway-model"] == named(provider, "headers"), dict(shown)
    assert shown["x-gateway-cost-usd"] == "unpriced", dict(shown)


def system_and_limits(provider):
    what = "limits"
    answer = ask(
        named(provider, what),
        "Count to a thousand",
        max_tokens=3,
        system="You are terse.",
        extra_body={"temperature": 0.5},  # the SDK has no argument for it any more
    )
    assert answer.stop_reason == "max_tokens", answer
    body = sent(what)
    assert body["temperature"] == 0.5 and "You are terse." in json.dumps(body), body
    answer = ask(named(provider, what), "Count to a thousand", stop_sequences=["thousand"])
    assert "thousand" not in text_of(answer), answer
    if provider == "anthropic":
        assert answer.stop_reason == "stop_sequence", answer
        assert answer.stop_sequence == "thousand", answer
    else:  # chat completions do not say which of them stopped the answer
        assert answer.stop_reason == "end_turn", answer


def conversation(provider):
    answer = say(
        named(provider, "conversation"),
        [
            user("My name is Ada"),
            {"role": "assistant", "content": [{"type": "text", "text": "Hello Ada"}]},
            user([{"type": "text", "text": "What is my name?"}]),
        ],
        system=[
            {"type": "text", "text": "You are terse.", "cache_control": {"type": "ephemeral"}}
        ],
    )
    assert "my name?" in text_of(answer), answer
    body = sent("conversation")
    assert "Hello Ada" in json.dumps(body), body
    if provider == "anthropic":
        assert body["system"][0]["cache_control"] == {"type": "ephemeral"}, body
    else:
        assert "cache_control" not in json.dumps(body), body


def stream_helper(provider):
    with client.messages.stream(
        model=named(provider, "helper"), max_tokens=1024, messages=[user("Count to five")]
    ) as events:
        text = "".join(events.text_stream)
        final = events.get_final_message()
    assert "Count to five" in text and text == text_of(final), (text, final)
    assert final.stop_reason == "end_turn", final
    assert final.usage.input_tokens > 0 and final.usage.output_tokens > 0, final


def stream(provider):
    events = list(ask(named(provider, "stream"), "Say hello", stream=True))
    kinds = [event.type for event in events if event.type != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"], kinds
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"], kinds
    assert set(kinds[2:-3]) == {"content_block_delta"} and len(kinds) > 6, kinds
    delta = next(event for event in events if event.type == "message_delta")
    assert delta.delta.stop_reason == "end_turn" and delta.usage.output_tokens > 0, delta


# === Tools ===


def tools_forced(provider):
    model = named(provider, "tools")
    messages = [user("What is the weather in Paris?")]
    first = say(model, messages, tools=[WEATHER], tool_choice={"type": "any"})
    uses = uses_of(first)
    assert first.stop_reason == "tool_use" and len(uses) == 1, first
    assert uses[0].name == "get_weather" and "city" in uses[0].input, uses
    messages.append({"role": "assistant", "content": first.content})
    messages.append(user([result(uses[0], "21 degrees")]))
    second = say(model, messages, tools=[WEATHER])
    assert "21 degrees" in text_of(second) and second.stop_reason == "end_turn", second


def tools_parallel(provider):
    model = named(provider, "parallel")
    messages = [user("The weather and the time in Paris?")]
    first = say(model, messages, tools=[WEATHER, TIME])
    uses = uses_of(first)
    assert [use.name for use in uses] == ["get_weather", "get_time"], first
    messages.append({"role": "assistant", "content": first.content})
    results = [
        result(uses[0], [{"type": "text", "text": "sunny"}]),
        result(uses[1], "noon") | {"is_error": True},
    ]
    messages.append(user([*results, {"type": "text", "text": "Well?"}]))
    second = say(model, messages, tools=[WEATHER, TIME])
    assert text_of(second) and second.stop_reason == "end_turn", second
    if provider == "openai":  # results become messages of their own, the text comes after them
        answers = [(turn["role"], turn["content"]) for turn in sent("parallel")["messages"][2:]]
        assert [role for role, _ in answers] == ["tool", "tool", "user"], answers
        for (_, content), wanted in zip(answers, ("sunny", "noon", "Well?")):
            assert wanted in json.dumps(content), answers
    else:
        assert "sunny" in text_of(second) and "noon" in text_of(second), second
    one = say(
        model,
        messages[:1],
        tools=[WEATHER, TIME],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    )
    assert len(uses_of(one)) == 1, one
    none = say(model, messages[:1], tools=[WEATHER], tool_choice={"type": "none"})
    assert not uses_of(none) and text_of(none), none


def tools_named_and_streamed(provider):
    with client.messages.stream(
        model=named(provider, "named"),
        max_tokens=1024,
        messages=[user("Weather in Rome?")],
        tools=[TIME, WEATHER],
        tool_choice={"type": "tool", "name": "get_weather"},
    ) as events:
        pieces = [event.partial_json for event in events if event.type == "input_json"]
        final = events.get_final_message()
    uses = uses_of(final)
    assert [use.name for use in uses] == ["get_weather"] and "city" in uses[0].input, final
    assert json.loads("".join(pieces)) == uses[0].input, (pieces, uses)


def tools_parallel_streamed(provider):
    with client.messages.stream(
        model=named(provider, "parallel-stream"),
        max_tokens=1024,
        messages=[user("The weather and the time in Paris?")],
        tools=[WEATHER, TIME],
    ) as events:
        final = events.get_final_message()
    assert [use.name for use in uses_of(final)] == ["get_weather", "get_time"], final
    assert final.stop_reason == "tool_use", final


def tool_runner(provider):
    asked = []

    @beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "21 degrees"

    runner = client.beta.messages.tool_runner(
        model=named(provider, "runner"),
        max_tokens=1024,
        tools=[get_weather],
        messages=[user("What is the weather in Paris?")],
    )
    assert "21 degrees" in text_of(runner.until_done()) and len(asked) == 1, asked


# === Structured output ===


def structured(provider):
    answer = client.messages.parse(
        model=named(provider, "parse"),
        max_tokens=1024,
        messages=[user("Name a city")],
        output_format=City,
    )
    assert isinstance(answer.parsed_output, City), answer


def structured_streamed(provider):
    with client.messages.stream(
        model=named(provider, "parse-stream"),
        max_tokens=1024,
        messages=[user("Name a city")],
        output_format=City,
    ) as events:
        final = events.get_final_message()
    assert isinstance(final.parsed_output, City), final


# === Pictures, papers, thoughts ===


def image(provider):
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    answer = ask(
        named(provider, "image"),
        [
            {"type": "image", "source": source},
            {"type": "text", "text": "What is in this picture?"},
        ],
    )
    assert "I see 1 image" in text_of(answer), answer
    assert PNG in json.dumps(sent("image")), "the picture reached the provider"


def pdf(provider):
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    answer = ask(
        named(provider, "pdf"),
        [
            {"type": "document", "source": source, "title": "report.pdf"},
            {"type": "text", "text": "What does it say?"},
        ],
    )
    assert "read 1 document" in text_of(answer), answer
    assert PDF in json.dumps(sent("pdf")), "the document reached the provider"


def thinking(provider):
    what = "thinking"
    messages = [user("What is the weather in Paris?")]
    more = {
        "tools": [WEATHER],
        "max_tokens": 4096,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
    }
    first = say(named(provider, what), messages, **more)
    assert first.content[0].type == "thinking" and first.content[0].thinking, first
    uses = uses_of(first)
    assert len(uses) == 1 and first.stop_reason == "tool_use", first
    messages.append({"role": "assistant", "content": first.content})
    messages.append(user([result(uses[0], "21 degrees")]))
    second = say(named(provider, what), messages, **more)
    assert "21 degrees" in text_of(second), second
    if provider == "anthropic":
        thought = sent(what)["messages"][1]["content"][0]
        assert thought["signature"] and thought["signature"] == first.content[0].signature, thought
    else:
        assert sent(what)["reasoning_effort"], sent(what)


def thinking_streamed(provider):
    with client.messages.stream(
        model=named(provider, "thinking-stream"),
        max_tokens=4096,
        thinking={"type": "adaptive"},
        output_config={"effort": "high"},
        messages=[user("Think hard")],
    ) as events:
        kinds = {event.type for event in events}
        final = events.get_final_message()
    assert {"thinking", "text"} <= kinds, kinds
    assert [block.type for block in final.content] == ["thinking", "text"], final
    assert final.content[0].thinking, final
    if provider == "anthropic":
        assert "signature" in kinds and final.content[0].signature, final


def unknown_fields(provider):
    answer = ask(named(provider, "unknown"), "hi", extra_body={"x_not_yet_known": {"a": [1]}})
    assert text_of(answer), answer
    if provider == "anthropic":
        assert sent("unknown")["x_not_yet_known"] == {"a": [1]}, sent("unknown")


def count_tokens(provider):
    count = client.messages.count_tokens(
        model=named(provider, "count"), messages=[user("How long is this?")]
    )
    assert count.input_tokens > 0, count


# === What goes wrong ===


def cancelled_stream(provider):
    answer = ask(named(provider, "leave", "stall=8"), "Tell me a long story", stream=True)
    for _event in answer:
        break
    answer.close()
    wait_until_left("leave")


def cancelled_wait(provider):
    impatient = client.with_options(timeout=0.5)
    expect(
        anthropic.APITimeoutError,
        lambda: impatient.messages.create(
            model=named(provider, "leave-early", "never"), max_tokens=64, messages=[user("hi")]
        ),
    )
    wait_until_left("leave-early")


def provider_rate_limit(provider):
    error = expect(
        anthropic.RateLimitError,
        lambda: ask(named(provider, "limited", "429-retry-after=30"), "hi"),
    )
    assert error.body["error"]["type"] == "rate_limit_error", error.body
    assert 25 <= int(error.response.headers["retry-after"]) <= 30, error.response.headers


def provider_failure(provider):
    error = expect(
        anthropic.InternalServerError, lambda: ask(named(provider, "broken", "500"), "hi")
    )
    assert error.body["type"] == "error" and error.body["error"]["message"], error.body
    assert error.response.headers["x-gateway-call-id"], error.response.headers


def provider_overload(provider):
    error = expect(
        anthropic.OverloadedError, lambda: ask(named(provider, "full", "overloaded"), "hi")
    )
    assert error.body["error"]["type"] == "overloaded_error", error.body


def provider_overflow(provider):
    error = expect(
        anthropic.BadRequestError, lambda: ask(named(provider, "long", "context-overflow"), "hi")
    )
    assert "prompt is too long" in error.body["error"]["message"], error.body


def broken_stream(provider):
    for what, fault in (("error-inside", "stream-error"), ("reset", "reset=5")):
        answer = ask(named(provider, what, fault), "Tell me a long story", stream=True)
        error = expect(anthropic.APIStatusError, lambda: list(answer))
        assert error.body["error"]["type"], error.body


def errors():
    error = expect(anthropic.NotFoundError, lambda: ask("no-such-model-anywhere", "hi"))
    assert error.body["error"]["type"] == "not_found_error", error.body
    for field, run in (
        ("messages", lambda: say("auto", [])),
        ("messages[0].content", lambda: ask("auto", 7)),
        ("temperature", lambda: ask("auto", "hi", extra_body={"temperature": "warm"})),
        ("max_tokens", lambda: ask("auto", "hi", max_tokens=-1)),
    ):
        error = expect(anthropic.BadRequestError, run)
        assert error.body["error"]["type"] == "invalid_request_error", error.body
        assert field in error.body["error"]["message"], (field, error.body)
    expect(anthropic.NotFoundError, lambda: client.models.retrieve("no-such-model"))


def keys():
    locked = Anthropic(base_url=LOCKED_URL, api_key="wrong-key", max_retries=0)
    error = expect(anthropic.AuthenticationError, lambda: locked.models.list())
    assert error.body["error"]["type"] == "authentication_error", error.body
    for allowed in (
        locked.with_options(api_key=LOCKED_KEY),
        Anthropic(base_url=LOCKED_URL, auth_token=LOCKED_KEY, max_retries=0),
    ):
        answer = allowed.messages.create(model="auto", max_tokens=64, messages=[user("hi")])
        assert text_of(answer), answer


def models():
    page = client.models.list(limit=5)
    assert len(page.data) == 5 and page.has_more, page
    assert page.first_id == page.data[0].id and page.last_id == page.data[4].id, page
    paged = [model.id for model in client.models.list(limit=7)]
    whole = [model.id for model in client.models.list(limit=1000)]
    assert paged == whole and len(whole) > 20 and len(whole) == len(set(whole)), whole
    back = client.models.list(limit=3, before_id=whole[3])
    assert [model.id for model in back.data] == whole[:3] and not back.has_more, back
    for wanted in (whole[0], next(name for name in whole if name.startswith("anthropic/"))):
        assert client.models.retrieve(wanted).id == wanted


def priced():
    name = next(m.id for m in client.models.list() if m.id.startswith("anthropic/claude"))
    raw = client.messages.with_raw_response.create(
        model=name, max_tokens=64, messages=[user("hi")]
    )
    assert Decimal(raw.headers["x-gateway-cost-usd"]) > 0, (name, dict(raw.headers))
    assert raw.headers["x-gateway-model"] == name, dict(raw.headers)
    assert text_of(raw.parse())


async def in_parallel(provider):
    async with AsyncAnthropic(base_url=BASE_URL, api_key="tour-key", max_retries=0) as many:

        async def one(number):
            async with many.messages.stream(
                model=named(provider, f"async-{number}"),
                max_tokens=1024,
                messages=[user(f"Question {number}")],
            ) as events:
                text = await events.get_final_text()
            assert f"Question {number}" in text, text

        await asyncio.gather(*(one(number) for number in range(16)))
        waiting = asyncio.create_task(
            many.messages.create(
                model=named(provider, "async-leave", "never"),
                max_tokens=64,
                messages=[user("hi")],
            )
        )
        while not arrivals("async-leave"):
            await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.to_thread(wait_until_left, "async-leave")


def main():
    for provider in PROVIDERS:
        for run in (
            plain,
            headers,
            system_and_limits,
            conversation,
            stream,
            stream_helper,
            tools_forced,
            tools_parallel,
            tools_named_and_streamed,
            tools_parallel_streamed,
            tool_runner,
            structured,
            structured_streamed,
            image,
            pdf,
            thinking,
            thinking_streamed,
            unknown_fields,
            count_tokens,
            cancelled_stream,
            cancelled_wait,
            provider_rate_limit,
            provider_failure,
            provider_overload,
            provider_overflow,
            broken_stream,
        ):
            check(f"{run.__name__} over {provider}", run, provider)
        check(f"in_parallel over {provider}", lambda: asyncio.run(in_parallel(provider)))
    for run in (errors, keys, models, priced):
        check(run.__name__, run)
    end()


main()
