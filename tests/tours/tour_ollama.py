"""Ollama's official library for Python against the gateway."""

import json

import ollama
from ollama import Client
from pydantic import BaseModel

from checks import BASE_URL, LOCKED_KEY, LOCKED_URL, PNG, PROVIDERS, check, end, expect, named, sent

client = Client(host=BASE_URL)


class City(BaseModel):
    name: str
    population: int


def user(text, **more):
    return {"role": "user", "content": text, **more}


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: The city
    """
    return "21 degrees"


def chat(provider):
    answer = client.chat(model=named(provider, "chat"), messages=[user("Say hello")])
    assert "Say hello" in answer.message.content and answer.done, answer
    assert answer.prompt_eval_count > 0 and answer.eval_count > 0, answer


def chat_streamed(provider):
    parts = list(
        client.chat(
            model=named(provider, "stream"), messages=[user("Count to five")], stream=True
        )
    )
    assert len(parts) > 2 and parts[-1].done, parts
    assert "Count to five" in "".join(part.message.content or "" for part in parts), parts


def generate(provider):
    model = named(provider, "generate")
    answer = client.generate(model=model, prompt="Say hello", system="You are terse.")
    assert "Say hello" in answer.response and answer.done_reason == "stop", answer
    assert "You are terse." in json.dumps(sent("generate"))
    parts = list(client.generate(model=model, prompt="Count to five", stream=True))
    assert "Count to five" in "".join(part.response for part in parts), parts


def options(provider):
    limits = {"num_predict": 3, "temperature": 0.5}
    answer = client.chat(
        model=named(provider, "options"), messages=[user("Count to a thousand")], options=limits
    )
    assert answer.done_reason == "length", answer
    assert sent("options")["temperature"] == 0.5


def tools(provider):
    model = named(provider, "tools")
    messages = [user("Weather in Paris?")]
    first = client.chat(model=model, messages=messages, tools=[get_weather])
    call = first.message.tool_calls[0]
    assert call.function.name == "get_weather" and "city" in call.function.arguments, first
    messages += [first.message, {"role": "tool", "content": "21 degrees", "tool_name": "get_weather"}]
    second = client.chat(model=model, messages=messages, tools=[get_weather])
    assert "21 degrees" in second.message.content, second


def structured(provider):
    answer = client.chat(
        model=named(provider, "parse"), messages=[user("Name a city")],
        format=City.model_json_schema(),
    )
    assert City.model_validate_json(answer.message.content), answer


def image(provider):
    answer = client.chat(
        model=named(provider, "image"), messages=[user("What is in it?", images=[PNG])]
    )
    assert "I see 1 image" in answer.message.content, answer


def errors():
    error = expect(
        ollama.ResponseError,
        lambda: client.chat(model="no-such-model-anywhere", messages=[user("hi")]),
    )
    assert error.status_code == 404 and "no-such-model" in error.error, error


def keys():
    messages = [user("hi")]
    error = expect(
        ollama.ResponseError,
        lambda: Client(host=LOCKED_URL).chat(model="auto", messages=messages),
    )
    assert error.status_code == 401, error
    known = Client(host=LOCKED_URL, headers={"Authorization": f"Bearer {LOCKED_KEY}"})
    assert known.chat(model="auto", messages=messages).message.content


def models():
    names = [model.model for model in client.list().models]
    assert names[0] == "auto" and len(names) > 20, names
    assert "completion" in client.show("auto").capabilities
    assert list(client.ps().models) == []


def main():
    for provider in PROVIDERS:
        for run in (chat, chat_streamed, generate, options, tools, structured, image):
            check(f"{run.__name__} over {provider}", run, provider)
    for run in (errors, keys, models):
        check(run.__name__, run)
    end()


main()
