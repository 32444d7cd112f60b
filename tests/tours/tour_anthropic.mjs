// The official Anthropic SDK for JavaScript against the gateway.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { BASE_URL, MODELS, PNG, check, end, expectError, lastRequest, untilClientLeft } from "./checks.mjs";

const client = new Anthropic({ baseURL: BASE_URL, apiKey: "tour-key", maxRetries: 0 });

const WEATHER = {
  name: "get_weather",
  description: "Weather of a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

const ask = (model, content, more = {}) =>
  client.messages.create({ model, max_tokens: 1024, messages: [{ role: "user", content }], ...more });

const textOf = (message) =>
  message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

const tours = {
  async plain(model) {
    const answer = await ask(model, "Say hello");
    assert.ok(textOf(answer));
    assert.equal(answer.stop_reason, "end_turn");
    assert.ok(answer.usage.input_tokens > 0);
  },
  async stream(model) {
    const events = client.messages.stream({
      model,
      max_tokens: 1024,
      messages: [{ role: "user", content: "Count to five" }],
    });
    let text = "";
    events.on("text", (delta) => (text += delta));
    const final = await events.finalMessage();
    assert.ok(text.length > 0);
    assert.equal(text, textOf(final));
    assert.ok(final.usage.output_tokens > 0);
  },
  async tools(model) {
    const messages = [{ role: "user", content: "What is the weather in Paris?" }];
    const first = await client.messages.create({
      model,
      max_tokens: 1024,
      messages,
      tools: [WEATHER],
      tool_choice: { type: "any" },
    });
    const uses = first.content.filter((block) => block.type === "tool_use");
    assert.equal(first.stop_reason, "tool_use");
    assert.ok("city" in uses[0].input);
    messages.push({ role: "assistant", content: first.content });
    messages.push({
      role: "user",
      content: uses.map((use) => ({ type: "tool_result", tool_use_id: use.id, content: "21 degrees" })),
    });
    const second = await client.messages.create({ model, max_tokens: 1024, messages, tools: [WEATHER] });
    assert.ok(textOf(second));
  },
  async toolsStreamed(model) {
    const events = client.messages.stream({
      model,
      max_tokens: 1024,
      messages: [{ role: "user", content: "Weather in Rome?" }],
      tools: [WEATHER],
      tool_choice: { type: "tool", name: "get_weather" },
    });
    const final = await events.finalMessage();
    const use = final.content.find((block) => block.type === "tool_use");
    assert.ok("city" in use.input);
  },
  async structured(model) {
    const answer = await ask(model, "Name a city", {
      output_config: {
        format: {
          type: "json_schema",
          schema: {
            type: "object",
            properties: { name: { type: "string" }, population: { type: "integer" } },
            required: ["name", "population"],
            additionalProperties: false,
          },
        },
      },
    });
    assert.deepEqual(Object.keys(JSON.parse(textOf(answer))).sort(), ["name", "population"]);
  },
  async image(model) {
    const answer = await ask(model, [
      { type: "text", text: "What is in this picture?" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } },
    ]);
    assert.ok(textOf(answer));
    assert.ok(JSON.stringify(await lastRequest()).includes(PNG));
  },
  async cancellation(model) {
    const provider = model.split("/")[0];
    const events = await ask(`${provider}/fault:stall-after-frames=3`, "A long story", { stream: true });
    for await (const _event of events) break;
    events.controller.abort();
    await untilClientLeft();
  },
  async providerErrors(model) {
    const provider = model.split("/")[0];
    await expectError(Anthropic.RateLimitError, () => ask(`${provider}/fault:status=429,retry-after=30`, "hi"));
    await expectError(Anthropic.InternalServerError, () => ask(`${provider}/fault:status=500`, "hi"));
    const long = await expectError(Anthropic.BadRequestError, () =>
      ask(`${provider}/fault:context-overflow`, "hi"),
    );
    assert.match(long.message, /prompt is too long/);
  },
};

for (const model of MODELS) {
  for (const [name, run] of Object.entries(tours)) {
    await check(`${name} over ${model}`, () => run(model));
  }
}
await check("errors", async () => {
  await expectError(Anthropic.NotFoundError, () => ask("no-such-model-anywhere", "hi"));
  const empty = await expectError(Anthropic.BadRequestError, () =>
    client.messages.create({ model: "auto", max_tokens: 10, messages: [] }),
  );
  assert.match(empty.message, /messages/);
});
await check("model list", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.length > 0);
  assert.equal((await client.models.retrieve(ids[0])).id, ids[0]);
});
end("anthropic for node");
