// OpenAI's responses through the official SDK for JavaScript, over providers of other dialects.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { BASE_URL, check, checkAll, end, expectError, named, sent } from "./checks.mjs";

const client = new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: "tour-key", maxRetries: 0 });
const responses = client.responses;

const WEATHER = {
  type: "function",
  name: "get_weather",
  description: "The weather of a city",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};

await checkAll({
  async plain(provider) {
    const answer = await responses.create({ model: named(provider, "plain"), input: "Say hello" });
    assert.match(answer.output_text, /Say hello/);
    assert.equal(answer.status, "completed");
    assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  },

  async stream(provider) {
    const stream = responses.stream({ model: named(provider, "stream"), input: "Count to five" });
    const kinds = [];
    for await (const event of stream) kinds.push(event.type);
    assert.equal(kinds.at(0), "response.created");
    assert.equal(kinds.at(-1), "response.completed");
    assert.match((await stream.finalResponse()).output_text, /Count to five/);
  },

  async continued(provider) {
    const model = named(provider, "continued");
    const first = await responses.create({ model, input: "My name is Ada" });
    const previous_response_id = first.id;
    const second = await responses.create({ model, input: "And mine?", previous_response_id });
    assert.match(JSON.stringify(await sent("continued")), /My name is Ada/);
    assert.equal((await responses.retrieve(second.id)).output_text, second.output_text);
    await responses.delete(second.id);
    await expectError(OpenAI.NotFoundError, () => responses.retrieve(second.id));
  },

  async tools(provider) {
    const model = named(provider, "tools");
    const first = await responses.create({
      model,
      input: "Weather in Paris?",
      tools: [WEATHER],
      tool_choice: "required",
    });
    const call = first.output.find((item) => item.type === "function_call");
    assert.equal(call.name, "get_weather");
    const second = await responses.create({
      model,
      tools: [WEATHER],
      previous_response_id: first.id,
      input: [{ type: "function_call_output", call_id: call.call_id, output: "21 degrees" }],
    });
    assert.match(second.output_text, /21 degrees/);
  },
});

await check("errors", async () => {
  const ask = () => responses.create({ model: "no-such-model-anywhere", input: "hi" });
  const error = await expectError(OpenAI.NotFoundError, ask);
  assert.equal(error.code, "model_not_found");
});

end();
