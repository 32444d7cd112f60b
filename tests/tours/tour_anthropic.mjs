// The official Anthropic SDK for JavaScript against the gateway.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
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

const client = new Anthropic({ baseURL: BASE_URL, apiKey: "tour-key", maxRetries: 0 });

const tool = (name) => ({
  name,
  description: "Something about a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
});
const WEATHER = tool("get_weather");
const TIME = tool("get_time");
const City = z.object({ name: z.string(), population: z.number().int() });

const user = (content) => ({ role: "user", content });
const assistant = (content) => ({ role: "assistant", content });
const say = (model, messages, more = {}) =>
  client.messages.create({ model, max_tokens: 1024, messages, ...more });
const ask = (model, content, more = {}) => say(model, [user(content)], more);
const textOf = ({ content }) => content.map((block) => block.text ?? "").join("");
const usesOf = ({ content }) => content.filter((block) => block.type === "tool_use");
const namesOf = (message) => usesOf(message).map((use) => use.name);
const resultOf = (use, content) => ({ type: "tool_result", tool_use_id: use.id, content });

async function allOf(events) {
  const all = [];
  for await (const event of events) all.push(event);
  return all;
}

await checkAll({
  async plain(provider) {
    const answer = await ask(named(provider, "plain"), "Say hello");
    assert.match(textOf(answer), /Say hello/);
    assert.equal(answer.stop_reason, "end_turn");
    assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  },

  async headers(provider) {
    const { data, response } = await ask(named(provider, "headers"), "Say hello").withResponse();
    assert.ok(textOf(data));
    assert.ok(response.headers.get("x-gateway-call-id"));
    assert.equal(response.headers.get("x-gateway-model"), named(provider, "headers"));
  },

  async stream(provider) {
    const model = named(provider, "stream");
    const events = await allOf(await ask(model, "Say hello", { stream: true }));
    const kinds = events.map((event) => event.type).filter((kind) => kind !== "ping");
    assert.deepEqual(kinds.slice(0, 2), ["message_start", "content_block_start"]);
    assert.deepEqual(kinds.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
    assert.ok(events.find((event) => event.type === "message_delta").usage.output_tokens > 0);
  },

  async streamHelper(provider) {
    let text = "";
    const events = client.messages.stream({
      model: named(provider, "helper"),
      max_tokens: 1024,
      messages: [user("Count to five")],
    });
    events.on("text", (delta) => (text += delta));
    const final = await events.finalMessage();
    assert.match(text, /Count to five/);
    assert.equal(text, textOf(final));
    assert.ok(final.usage.input_tokens > 0 && final.usage.output_tokens > 0);
  },

  async tools(provider) {
    const model = named(provider, "tools");
    const messages = [user("The weather and the time in Paris?")];
    const tools = [WEATHER, TIME];
    const first = await say(model, messages, { tools, tool_choice: { type: "any" } });
    assert.equal(first.stop_reason, "tool_use");
    assert.deepEqual(namesOf(first), ["get_weather", "get_time"]);
    const [weather, time] = usesOf(first);
    assert.ok("city" in weather.input);
    messages.push(assistant(first.content));
    messages.push(user([resultOf(weather, "sunny"), resultOf(time, "noon")]));
    assert.match(textOf(await say(model, messages, { tools })), /sunny.*noon/);
    const choice = { type: "auto", disable_parallel_tool_use: true };
    const single = await say(model, messages.slice(0, 1), { tools, tool_choice: choice });
    assert.equal(usesOf(single).length, 1);
  },

  async toolsNamedAndStreamed(provider) {
    const events = client.messages.stream({
      model: named(provider, "named"),
      max_tokens: 1024,
      messages: [user("Weather in Rome?")],
      tools: [TIME, WEATHER],
      tool_choice: { type: "tool", name: "get_weather" },
    });
    let pieces = "";
    events.on("inputJson", (piece) => (pieces += piece));
    const final = await events.finalMessage();
    assert.deepEqual(namesOf(final), ["get_weather"]);
    assert.ok("city" in usesOf(final)[0].input);
    assert.deepEqual(JSON.parse(pieces), usesOf(final)[0].input);
  },

  async toolRunner(provider) {
    const asked = [];
    const weather = betaTool({
      name: "get_weather",
      description: "The weather of a city",
      inputSchema: WEATHER.input_schema,
      run: ({ city }) => {
        asked.push(city);
        return "21 degrees";
      },
    });
    const final = await client.beta.messages.toolRunner({
      model: named(provider, "runner"),
      max_tokens: 1024,
      messages: [user("What is the weather in Paris?")],
      tools: [weather],
    });
    assert.match(textOf(final), /21 degrees/);
    assert.equal(asked.length, 1);
  },

  async structured(provider) {
    const answer = await client.messages.parse({
      model: named(provider, "parse"),
      max_tokens: 1024,
      messages: [user("Name a city")],
      output_config: { format: zodOutputFormat(City) },
    });
    City.parse(answer.parsed_output);
  },

  async image(provider) {
    const answer = await ask(named(provider, "image"), [
      { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } },
      { type: "text", text: "What is in this picture?" },
    ]);
    assert.match(textOf(answer), /I see 1 image/);
    assert.ok(JSON.stringify(await sent("image")).includes(PNG));
  },

  async pdf(provider) {
    const source = { type: "base64", media_type: "application/pdf", data: PDF };
    const answer = await ask(named(provider, "pdf"), [
      { type: "document", source },
      { type: "text", text: "What does it say?" },
    ]);
    assert.match(textOf(answer), /read 1 document/);
    assert.ok(JSON.stringify(await sent("pdf")).includes(PDF));
  },

  async thinking(provider) {
    const model = named(provider, "thinking");
    const messages = [user("What is the weather in Paris?")];
    const thinking = { type: "enabled", budget_tokens: 2048 };
    const more = { tools: [WEATHER], max_tokens: 4096, thinking };
    const first = await say(model, messages, more);
    assert.equal(first.content[0].type, "thinking");
    messages.push(assistant(first.content));
    messages.push(user([resultOf(usesOf(first)[0], "21 degrees")]));
    assert.match(textOf(await say(model, messages, more)), /21 degrees/);
    if (provider === "anthropic") {
      const thought = (await sent("thinking")).messages[1].content[0];
      assert.ok(thought.signature);
      assert.equal(thought.signature, first.content[0].signature);
    }
  },

  async thinkingStreamed(provider) {
    const events = client.messages.stream({
      model: named(provider, "thinking-stream"),
      max_tokens: 4096,
      thinking: { type: "adaptive" },
      output_config: { effort: "high" },
      messages: [user("Think hard")],
    });
    const final = await events.finalMessage();
    assert.deepEqual(final.content.map((block) => block.type), ["thinking", "text"]);
    assert.ok(final.content[0].thinking);
    if (provider === "anthropic") assert.ok(final.content[0].signature);
  },

  async countTokens(provider) {
    const model = named(provider, "count");
    const count = await client.messages.countTokens({ model, messages: [user("How long?")] });
    assert.ok(count.input_tokens > 0);
  },

  async cancelledStream(provider) {
    const model = named(provider, "leave", "stall=8");
    const events = await ask(model, "A long story", { stream: true });
    for await (const _event of events) break;
    events.controller.abort();
    await untilClientLeft("leave");
  },

  async cancelledWait(provider) {
    const model = named(provider, "leave-early", "never");
    const body = { model, max_tokens: 64, messages: [user("hi")] };
    await expectError(Anthropic.APIConnectionTimeoutError, () =>
      client.messages.create(body, { timeout: 500 }),
    );
    await untilClientLeft("leave-early");
  },

  async providerErrors(provider) {
    const failing = (what, fault) => () => ask(named(provider, what, fault), "hi");
    const limited = failing("limited", "429-retry-after=30");
    const slower = await expectError(Anthropic.RateLimitError, limited);
    assert.ok(Number(slower.headers.get("retry-after")) >= 25);
    await expectError(Anthropic.InternalServerError, failing("broken", "500"));
    const full = await expectError(Anthropic.InternalServerError, failing("full", "overloaded"));
    assert.equal(full.status, 529);
    const long = await expectError(Anthropic.BadRequestError, failing("long", "context-overflow"));
    assert.match(long.message, /prompt is too long/);
  },

  async brokenStream(provider) {
    for (const [what, fault] of [
      ["error-inside", "stream-error"],
      ["reset", "reset=5"],
    ]) {
      const model = named(provider, what, fault);
      const events = await ask(model, "Tell me a long story", { stream: true });
      const error = await expectError(Anthropic.APIError, () => allOf(events));
      assert.ok(!(error instanceof Anthropic.APIConnectionError), error);
    }
  },
});

await check("errors", async () => {
  await expectError(Anthropic.NotFoundError, () => ask("no-such-model-here", "hi"));
  for (const [field, body] of [
    ["messages", { messages: [] }],
    ["messages[0].content", { messages: [user(7)] }],
    ["max_tokens", { messages: [user("hi")], max_tokens: -1 }],
  ]) {
    const wrong = () => client.messages.create({ model: "auto", max_tokens: 64, ...body });
    const error = await expectError(Anthropic.BadRequestError, wrong);
    assert.equal(error.error.error.type, "invalid_request_error");
    assert.ok(error.message.includes(field), error.message);
  }
});

await check("keys", async () => {
  const locked = new Anthropic({ baseURL: LOCKED_URL, apiKey: "wrong-key", maxRetries: 0 });
  await expectError(Anthropic.AuthenticationError, () => locked.models.list());
  const allowed = locked.withOptions({ apiKey: LOCKED_KEY });
  const body = { model: "auto", max_tokens: 64, messages: [user("hi")] };
  assert.ok(textOf(await allowed.messages.create(body)));
});

await check("models", async () => {
  const ids = (await allOf(client.models.list({ limit: 7 }))).map((model) => model.id);
  const whole = (await client.models.list({ limit: 1000 })).data.map((model) => model.id);
  assert.deepEqual(ids, whole);
  assert.ok(ids.length > 20);
  for (const id of [ids[0], ids.find((id) => id.startsWith("anthropic/"))]) {
    assert.equal((await client.models.retrieve(id)).id, id);
  }
  await expectError(Anthropic.NotFoundError, () => client.models.retrieve("no-such-model"));
});

end();
