// The official OpenAI SDK for JavaScript against the gateway.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { BASE_URL, MODELS, PNG, check, end, expectError, lastRequest, untilClientLeft } from "./checks.mjs";

const client = new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: "tour-key", maxRetries: 0 });

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

const ask = (model, text, more = {}) =>
  client.chat.completions.create({ model, messages: [{ role: "user", content: text }], ...more });

const tours = {
  async plain(model) {
    const answer = await ask(model, "Say hello");
    assert.ok(answer.choices[0].message.content);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.prompt_tokens > 0);
  },
  async stream(model) {
    let text = "";
    let usage;
    const events = await ask(model, "Count to five", {
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of events) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert.ok(text.length > 0);
    assert.ok(usage.completion_tokens > 0);
  },
  async tools(model) {
    const messages = [{ role: "user", content: "What is the weather in Paris?" }];
    const first = await client.chat.completions.create({
      model,
      messages,
      tools: [WEATHER],
      tool_choice: "required",
    });
    const message = first.choices[0].message;
    assert.equal(message.tool_calls[0].function.name, "get_weather");
    assert.ok("city" in JSON.parse(message.tool_calls[0].function.arguments));
    messages.push(message);
    for (const call of message.tool_calls) {
      messages.push({ role: "tool", tool_call_id: call.id, content: "21 degrees, sunny" });
    }
    const second = await client.chat.completions.create({ model, messages, tools: [WEATHER] });
    assert.ok(second.choices[0].message.content);
  },
  async runner(model) {
    const runner = client.chat.completions.stream({
      model,
      messages: [{ role: "user", content: "Weather in Rome?" }],
      tools: [WEATHER],
      tool_choice: { type: "function", function: { name: "get_weather" } },
    });
    const final = await runner.finalChatCompletion();
    assert.ok("city" in JSON.parse(final.choices[0].message.tool_calls[0].function.arguments));
  },
  async structured(model) {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "Name a city" }],
      response_format: {
        type: "json_schema",
        json_schema: {
          name: "city",
          strict: true,
          schema: {
            type: "object",
            properties: { name: { type: "string" }, population: { type: "integer" } },
            required: ["name", "population"],
            additionalProperties: false,
          },
        },
      },
    });
    assert.deepEqual(Object.keys(JSON.parse(answer.choices[0].message.content)).sort(), [
      "name",
      "population",
    ]);
  },
  async image(model) {
    const answer = await client.chat.completions.create({
      model,
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is in this picture?" },
            { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } },
          ],
        },
      ],
    });
    assert.ok(answer.choices[0].message.content);
    assert.ok(JSON.stringify(await lastRequest()).includes(PNG));
  },
  async cancellation(model) {
    const provider = model.split("/")[0];
    const events = await ask(`${provider}/fault:stall-after-frames=3`, "A long story", { stream: true });
    for await (const _chunk of events) break;
    events.controller.abort();
    await untilClientLeft();
  },
  async providerErrors(model) {
    const provider = model.split("/")[0];
    await expectError(OpenAI.RateLimitError, () => ask(`${provider}/fault:status=429,retry-after=30`, "hi"));
    await expectError(OpenAI.InternalServerError, () => ask(`${provider}/fault:status=500`, "hi"));
    await expectError(OpenAI.BadRequestError, () => ask(`${provider}/fault:context-overflow`, "hi"));
  },
};

for (const model of MODELS) {
  for (const [name, run] of Object.entries(tours)) {
    await check(`${name} over ${model}`, () => run(model));
  }
}
await check("errors", async () => {
  const missing = await expectError(OpenAI.NotFoundError, () => ask("no-such-model-anywhere", "hi"));
  assert.equal(missing.code, "model_not_found");
  const empty = await expectError(OpenAI.BadRequestError, () =>
    client.chat.completions.create({ model: "auto", messages: [] }),
  );
  assert.match(empty.message, /messages/);
});
await check("model list", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes("auto"));
  assert.equal((await client.models.retrieve(ids[0])).id, ids[0]);
});
end("openai for node");
