// The official OpenAI SDK for JavaScript against the gateway.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import {
  BASE_URL,
  LOCKED_KEY,
  LOCKED_URL,
  PDF,
  PNG,
  check,
  checkAll,
  end,
  expectError,
  named,
  sent,
  untilClientLeft,
} from "./checks.mjs";

const client = new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: "tour-key", maxRetries: 0 });
const completions = client.chat.completions;

const tool = (name) => ({
  type: "function",
  function: {
    name,
    description: "Something about a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
});
const WEATHER = tool("get_weather");
const TIME = tool("get_time");
const City = z.object({ name: z.string(), population: z.number().int() });

const user = (content) => ({ role: "user", content });
const ask = (model, content, more = {}) =>
  completions.create({ model, messages: [user(content)], ...more });
const namesOf = (calls) => calls.map((call) => call.function.name);

async function allOf(events) {
  const all = [];
  for await (const event of events) all.push(event);
  return all;
}

await checkAll({
  async plain(provider) {
    const answer = await ask(named(provider, "plain"), "Say hello");
    assert.match(answer.choices[0].message.content, /Say hello/);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.prompt_tokens > 0 && answer.usage.completion_tokens > 0);
  },

  async headers(provider) {
    const { data, response } = await ask(named(provider, "headers"), "Say hello").withResponse();
    assert.ok(data.choices[0].message.content);
    assert.ok(response.headers.get("x-gateway-call-id"));
    assert.equal(response.headers.get("x-gateway-model"), named(provider, "headers"));
  },

  async stream(provider) {
    const chunks = await allOf(
      await ask(named(provider, "stream"), "Count to five", {
        stream: true,
        stream_options: { include_usage: true },
      }),
    );
    const text = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
    assert.match(text, /Count to five/);
    assert.ok(chunks.length > 3);
    assert.ok(chunks.at(-1).usage.completion_tokens > 0);
  },

  async streamWithoutUsage(provider) {
    const chunks = await allOf(await ask(named(provider, "no-usage"), "Count", { stream: true }));
    assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage));
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  },

  async tools(provider) {
    const model = named(provider, "tools");
    const messages = [user("The weather and the time in Paris?")];
    const tools = [WEATHER, TIME];
    const first = await completions.create({ model, messages, tools, tool_choice: "required" });
    const { message, finish_reason } = first.choices[0];
    assert.equal(finish_reason, "tool_calls");
    assert.deepEqual(namesOf(message.tool_calls), ["get_weather", "get_time"]);
    assert.ok("city" in JSON.parse(message.tool_calls[0].function.arguments));
    messages.push(message);
    for (const [at, call] of message.tool_calls.entries()) {
      const content = ["sunny", "noon"][at];
      messages.push({ role: "tool", tool_call_id: call.id, content });
    }
    const second = await completions.create({ model, messages, tools });
    assert.match(second.choices[0].message.content, /sunny.*noon/);
    const one = { tools, parallel_tool_calls: false };
    const single = await ask(model, "The weather and the time?", one);
    assert.equal(single.choices[0].message.tool_calls.length, 1);
  },

  async toolsNamedAndStreamed(provider) {
    const stream = completions.stream({
      model: named(provider, "named"),
      messages: [user("Weather in Rome?")],
      tools: [TIME, WEATHER],
      tool_choice: { type: "function", function: { name: "get_weather" } },
    });
    const final = await stream.finalChatCompletion();
    const calls = final.choices[0].message.tool_calls;
    assert.deepEqual(namesOf(calls), ["get_weather"]);
    assert.ok("city" in JSON.parse(calls[0].function.arguments));
  },

  async toolsRunner(provider) {
    const asked = [];
    const runner = completions.runTools({
      model: named(provider, "runner"),
      messages: [user("What is the weather in Paris?")],
      tools: [
        {
          type: "function",
          function: {
            ...WEATHER.function,
            parse: JSON.parse,
            function: ({ city }) => {
              asked.push(city);
              return "21 degrees";
            },
          },
        },
      ],
    });
    assert.match(await runner.finalContent(), /21 degrees/);
    assert.equal(asked.length, 1);
  },

  async structured(provider) {
    const answer = await completions.parse({
      model: named(provider, "parse"),
      messages: [user("Name a city")],
      response_format: zodResponseFormat(City, "city"),
    });
    City.parse(answer.choices[0].message.parsed);
  },

  async structuredStreamed(provider) {
    const stream = completions.stream({
      model: named(provider, "parse-stream"),
      messages: [user("Name a city")],
      response_format: zodResponseFormat(City, "city"),
    });
    City.parse((await stream.finalChatCompletion()).choices[0].message.parsed);
  },

  async image(provider) {
    const answer = await ask(named(provider, "image"), [
      { type: "text", text: "What is in this picture?" },
      { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } },
    ]);
    assert.match(answer.choices[0].message.content, /I see 1 image/);
    assert.ok(JSON.stringify(await sent("image")).includes(PNG));
  },

  async pdf(provider) {
    const file = { filename: "report.pdf", file_data: `data:application/pdf;base64,${PDF}` };
    const answer = await ask(named(provider, "pdf"), [
      { type: "file", file },
      { type: "text", text: "What does it say?" },
    ]);
    assert.match(answer.choices[0].message.content, /read 1 document/);
    assert.ok(JSON.stringify(await sent("pdf")).includes(PDF));
  },

  async thinking(provider) {
    const model = named(provider, "thinking");
    const messages = [user("What is the weather in Paris?")];
    const more = { model, tools: [WEATHER], reasoning_effort: "high" };
    const first = await completions.create({ messages, ...more });
    const { message } = first.choices[0];
    assert.ok(message.reasoning_content);
    messages.push(message);
    messages.push({ role: "tool", tool_call_id: message.tool_calls[0].id, content: "21 degrees" });
    const second = await completions.create({ messages, ...more });
    assert.match(second.choices[0].message.content, /21 degrees/);
    if (provider === "anthropic") {
      const thought = (await sent("thinking")).messages[1].content[0];
      assert.equal(thought.type, "thinking");
      assert.equal(thought.signature, message.reasoning_details[0].signature);
    }
  },

  async cancelledStream(provider) {
    const model = named(provider, "leave", "stall=8");
    const events = await ask(model, "A long story", { stream: true });
    for await (const _chunk of events) break;
    events.controller.abort();
    await untilClientLeft("leave");
  },

  async cancelledWait(provider) {
    const model = named(provider, "leave-early", "never");
    await expectError(OpenAI.APIConnectionTimeoutError, () =>
      completions.create({ model, messages: [user("hi")] }, { timeout: 500 }),
    );
    await untilClientLeft("leave-early");
  },

  async providerErrors(provider) {
    const failing = (what, fault) => () => ask(named(provider, what, fault), "hi");
    const limited = failing("limited", "429-retry-after=30");
    const slower = await expectError(OpenAI.RateLimitError, limited);
    assert.ok(Number(slower.headers.get("retry-after")) >= 25);
    await expectError(OpenAI.InternalServerError, failing("broken", "500"));
    const long = await expectError(OpenAI.BadRequestError, failing("long", "context-overflow"));
    assert.equal(long.code, "context_length_exceeded");
  },

  async brokenStream(provider) {
    for (const [what, fault] of [
      ["error-inside", "stream-error"],
      ["reset", "reset=4"],
    ]) {
      const model = named(provider, what, fault);
      const events = await ask(model, "Tell me a long story", { stream: true });
      const error = await expectError(OpenAI.APIError, () => allOf(events));
      assert.ok(!(error instanceof OpenAI.APIConnectionError), error);
    }
  },
});

await check("errors", async () => {
  const missing = await expectError(OpenAI.NotFoundError, () => ask("no-such-model-here", "hi"));
  assert.equal(missing.code, "model_not_found");
  for (const [param, body] of [
    ["messages", { messages: [] }],
    ["messages[0].content", { messages: [user(7)] }],
    ["temperature", { messages: [user("hi")], temperature: "warm" }],
  ]) {
    const wrong = () => completions.create({ model: "auto", ...body });
    assert.equal((await expectError(OpenAI.BadRequestError, wrong)).param, param);
  }
});

await check("keys", async () => {
  const locked = new OpenAI({ baseURL: `${LOCKED_URL}/v1`, apiKey: "wrong-key", maxRetries: 0 });
  await expectError(OpenAI.AuthenticationError, () => locked.models.list());
  const allowed = locked.withOptions({ apiKey: LOCKED_KEY });
  const messages = [user("hi")];
  const answer = await allowed.chat.completions.create({ model: "auto", messages });
  assert.ok(answer.choices[0].message.content);
});

await check("models", async () => {
  const ids = (await allOf(client.models.list())).map((model) => model.id);
  assert.ok(ids.includes("auto") && ids.length > 20);
  for (const id of ["auto", ids.find((id) => id.startsWith("anthropic/"))]) {
    assert.equal((await client.models.retrieve(id)).id, id);
  }
  await expectError(OpenAI.NotFoundError, () => client.models.retrieve("no-such-model"));
});

end();
