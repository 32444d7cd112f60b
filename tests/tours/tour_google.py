"""Google's official SDK for Python against the gateway."""

import json

from google import genai
from google.genai import errors as failures
from google.genai import types

from checks import BASE_URL, LOCKED_KEY, LOCKED_URL, PNG, PROVIDERS, check, end, expect, named, sent


def at(url, key):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url))


client = at(BASE_URL, "tour-key")
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="The weather of a city",
            parameters={
                "type": "OBJECT",
                "properties": {"city": {"type": "STRING"}},
                "required": ["city"],
            },
        )
    ]
)


def plain(provider):
    answer = client.models.generate_content(model=named(provider, "plain"), contents="Say hello")
    assert "Say hello" in answer.text, answer
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP, answer
    assert answer.usage_metadata.prompt_token_count > 0, answer


def system_and_limits(provider):
    config = types.GenerateContentConfig(
        system_instruction="You are terse.", max_output_tokens=3, temperature=0.5
    )
    answer = client.models.generate_content(
        model=named(provider, "limits"), contents="Count to a thousand", config=config
    )
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS, answer
    body = sent("limits")
    assert body["temperature"] == 0.5 and "You are terse." in json.dumps(body), body


def stream(provider):
    chunks = list(
        client.models.generate_content_stream(
            model=named(provider, "stream"), contents="Count to five"
        )
    )
    assert len(chunks) > 2, chunks
    assert "Count to five" in "".join(chunk.text or "" for chunk in chunks), chunks
    assert chunks[-1].usage_metadata.candidates_token_count > 0, chunks[-1]


def chat(provider):
    talk = client.chats.create(model=named(provider, "chat"))
    talk.send_message("My name is Ada")
    answer = talk.send_message("What is my name?")
    assert "What is my name?" in answer.text, answer
    assert "My name is Ada" in json.dumps(sent("chat"))


def tools(provider):
    model = named(provider, "tools")
    mode = types.FunctionCallingConfig(mode="ANY")
    config = types.GenerateContentConfig(
        tools=[WEATHER],
        tool_config=types.ToolConfig(function_calling_config=mode),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked = types.Content(role="user", parts=[types.Part(text="Weather in Paris?")])
    first = client.models.generate_content(model=model, contents=[asked], config=config)
    call = first.function_calls[0]
    assert call.name == "get_weather" and "city" in call.args, first
    told = types.Part.from_function_response(name=call.name, response={"result": "21 degrees"})
    told.function_response.id = call.id
    contents = [asked, first.candidates[0].content, types.Content(role="user", parts=[told])]
    config = types.GenerateContentConfig(
        tools=[WEATHER],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    second = client.models.generate_content(model=model, contents=contents, config=config)
    assert "21 degrees" in second.text, second


def structured(provider):
    schema = {
        "type": "OBJECT",
        "properties": {"name": {"type": "STRING"}, "population": {"type": "INTEGER"}},
        "required": ["name", "population"],
    }
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_schema=schema
    )
    answer = client.models.generate_content(
        model=named(provider, "parse"), contents="Name a city", config=config
    )
    assert set(json.loads(answer.text)) == {"name", "population"}, answer


def image(provider):
    import base64

    picture = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
    answer = client.models.generate_content(
        model=named(provider, "image"), contents=["What is in this picture?", picture]
    )
    assert "I see 1 image" in answer.text, answer


def limited(provider):
    error = expect(
        failures.ClientError,
        lambda: client.models.generate_content(
            model=named(provider, "limited", "429-retry-after=30"), contents="hi"
        ),
    )
    assert error.code == 429 and error.status == "RESOURCE_EXHAUSTED", error


def errors():
    error = expect(
        failures.ClientError,
        lambda: client.models.generate_content(model="no-such-model-anywhere", contents="hi"),
    )
    assert error.code == 404 and error.status == "NOT_FOUND", error


def keys():
    ask = {"model": "auto", "contents": "hi"}
    wrong = at(LOCKED_URL, "wrong-key")
    error = expect(failures.ClientError, lambda: wrong.models.generate_content(**ask))
    assert error.code == 401, error
    # A client that nobody holds closes its connection.
    known = at(LOCKED_URL, LOCKED_KEY)
    assert known.models.generate_content(**ask).text


def models():
    names = [model.name for model in client.models.list(config={"page_size": 50})]
    assert names[0] == "models/auto" and len(names) == len(set(names)) > 20, names
    assert client.models.get(model="auto").name == "models/auto"


def count():
    counted = client.models.count_tokens(model="auto", contents="How long is this?")
    assert counted.total_tokens > 0, counted


def main():
    for provider in PROVIDERS:
        for run in (plain, system_and_limits, stream, chat, tools, structured, image, limited):
            check(f"{run.__name__} over {provider}", run, provider)
    for run in (errors, keys, models, count):
        check(run.__name__, run)
    end()


main()
