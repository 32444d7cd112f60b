"""OpenAI's responses through the official SDK for Python, over providers of other dialects."""

import json

import openai
from openai import OpenAI
from pydantic import BaseModel

from checks import BASE_URL, PNG, PROVIDERS, check, end, expect, named, sent, wait_until_left

client = OpenAI(base_url=f"{BASE_URL}/v1", api_key="tour-key", max_retries=0)
responses = client.responses


def tool(name):
    return {
        "type": "function",
        "name": name,
        "description": "Something about a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    }


WEATHER = tool("get_weather")


class City(BaseModel):
    name: str
    population: int


def plain(provider):
    answer = responses.create(model=named(provider, "plain"), input="Say hello")
    assert answer.id.startswith("resp_") and answer.status == "completed", answer
    assert "Say hello" in answer.output_text, answer
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer
    assert answer.store is True, answer


def instructions(provider):
    answer = responses.create(
        model=named(provider, "instructions"),
        instructions="You are terse.",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "Count"}]}],
        max_output_tokens=20,
    )
    assert answer.output_text, answer
    assert "You are terse." in json.dumps(sent("instructions"))


def stream(provider):
    model = named(provider, "stream")
    with responses.stream(model=model, input="Count to five") as events:
        kinds = [event.type for event in events]
        final = events.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert "response.output_text.delta" in kinds, kinds
    assert "Count to five" in final.output_text and final.usage.output_tokens > 0, final


def continued(provider):
    model = named(provider, "continued")
    first = responses.create(model=model, input="My name is Ada")
    second = responses.create(
        model=model, input="What is my name?", previous_response_id=first.id
    )
    assert second.previous_response_id == first.id, second
    body = json.dumps(sent("continued"))
    assert "My name is Ada" in body and "What is my name?" in body, body
    assert responses.retrieve(second.id).output_text == second.output_text
    items = list(responses.input_items.list(second.id, order="asc"))
    assert len(items) == 3, items
    responses.delete(first.id)
    expect(openai.NotFoundError, lambda: responses.retrieve(first.id))
    expect(
        openai.BadRequestError,
        lambda: responses.create(model=model, input="hi", previous_response_id=first.id),
    )


def not_kept(provider):
    answer = responses.create(model=named(provider, "forgotten"), input="hi", store=False)
    expect(openai.NotFoundError, lambda: responses.retrieve(answer.id))


def tools(provider):
    model = named(provider, "tools")
    first = responses.create(
        model=model, input="Weather in Paris?", tools=[WEATHER], tool_choice="required"
    )
    call = next(item for item in first.output if item.type == "function_call")
    assert call.name == "get_weather" and "city" in json.loads(call.arguments), call
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    second = responses.create(
        model=model, input=[output], tools=[WEATHER], previous_response_id=first.id
    )
    assert "21 degrees" in second.output_text, second


def hosted_tools(provider):
    search = {"type": "web_search"}
    raw = responses.with_raw_response.create(
        model=named(provider, "hosted"), input="Say hello", tools=[WEATHER, search],
        tool_choice="none",
    )
    assert "web_search" in raw.headers["x-gateway-warning"], dict(raw.headers)
    error = expect(
        openai.BadRequestError,
        lambda: responses.create(model=named(provider, "hosted"), input="hi", tools=[search]),
    )
    assert error.param == "tools[0]", error.body


def structured(provider):
    answer = responses.parse(
        model=named(provider, "parse"), input="Name a city", text_format=City
    )
    assert isinstance(answer.output_parsed, City), answer


def image(provider):
    content = [
        {"type": "input_text", "text": "What is in this picture?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
    ]
    answer = responses.create(
        model=named(provider, "image"), input=[{"role": "user", "content": content}]
    )
    assert "I see 1 image" in answer.output_text, answer


def thinking(provider):
    answer = responses.create(
        model=named(provider, "thinking"), input="Think", reasoning={"effort": "high"},
        max_output_tokens=20_000,
    )
    assert any(item.type == "reasoning" for item in answer.output), answer


def cancelled_stream(provider):
    model = named(provider, "leave", "stall=8")
    answer = responses.create(model=model, input="Tell me a long story", stream=True)
    for _event in answer:
        break
    answer.close()
    wait_until_left("leave")


def broken_stream(provider):
    model = named(provider, "error-inside", "stream-error")
    answer = responses.create(model=model, input="Tell me a long story", stream=True)
    kinds = [event.type for event in answer]
    assert kinds[-1] == "response.failed", kinds


def errors():
    error = expect(openai.NotFoundError, lambda: responses.create(model="no-such", input="hi"))
    assert error.code == "model_not_found", error.body
    error = expect(openai.BadRequestError, lambda: responses.create(model="auto", input=7))
    assert error.param == "input", error.body


def main():
    for provider in PROVIDERS:
        for run in (
            plain, instructions, stream, continued, not_kept, tools, hosted_tools, structured,
            image, thinking, cancelled_stream, broken_stream,
        ):
            check(f"{run.__name__} over {provider}", run, provider)
    check("errors", errors)
    end()


main()
