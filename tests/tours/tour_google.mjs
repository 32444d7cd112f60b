// Google's official SDK for JavaScript against the gateway.

import assert from "node:assert/strict";
import { FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";
import { BASE_URL, check, checkAll, end, named, sent } from "./checks.mjs";

const client = new GoogleGenAI({ apiKey: "tour-key", httpOptions: { baseUrl: BASE_URL } });
const models = client.models;

const WEATHER = {
  functionDeclarations: [
    {
      name: "get_weather",
      description: "The weather of a city",
      parametersJsonSchema: {
        type: "object",
        properties: { city: { type: "string" } },
        required: ["city"],
      },
    },
  ],
};

await checkAll({
  async plain(provider) {
    const model = named(provider, "plain");
    const answer = await models.generateContent({ model, contents: "Say hello" });
    assert.match(answer.text, /Say hello/);
    assert.ok(answer.usageMetadata.promptTokenCount > 0);
  },

  async stream(provider) {
    const model = named(provider, "stream");
    const stream = await models.generateContentStream({ model, contents: "Count to five" });
    let text = "";
    for await (const chunk of stream) text += chunk.text ?? "";
    assert.match(text, /Count to five/);
  },

  async tools(provider) {
    const model = named(provider, "tools");
    const asked = { role: "user", parts: [{ text: "Weather in Paris?" }] };
    const functionCallingConfig = { mode: FunctionCallingConfigMode.ANY };
    const config = { tools: [WEATHER], toolConfig: { functionCallingConfig } };
    const first = await models.generateContent({ model, contents: [asked], config });
    const call = first.functionCalls[0];
    assert.equal(call.name, "get_weather");
    const functionResponse = { id: call.id, name: call.name, response: { result: "21 degrees" } };
    const told = { role: "user", parts: [{ functionResponse }] };
    const contents = [asked, first.candidates[0].content, told];
    const second = await models.generateContent({ model, contents, config: { tools: [WEATHER] } });
    assert.match(second.text, /21 degrees/);
    assert.match(JSON.stringify(await sent("tools")), /21 degrees/);
  },
});

await check("errors", async () => {
  const ask = () => models.generateContent({ model: "no-such-model-anywhere", contents: "hi" });
  await assert.rejects(ask, (error) => error.status === 404);
});

await check("count", async () => {
  const counted = await models.countTokens({ model: "auto", contents: "How long is this?" });
  assert.ok(counted.totalTokens > 0);
});

end();
