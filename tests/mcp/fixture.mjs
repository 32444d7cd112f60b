// An MCP server to stand behind the gateway in tests: everything the conformance suite asks for, and
// ways to misbehave. Speaks both eras, one of them with `--era`, over stdio or with `--http PORT`.
// No dependencies: it must not share a line with what it tests.

import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const flag = (name) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const era = flag('era') ?? 'both';
const MODERN = '2026-07-28';
const LEGACY = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];
const RESERVED = 'io.modelcontextprotocol/';
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const SOUND = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });
const fail = (code, message, data) => Object.assign(new Error(message), { code, data });
const key = randomUUID();
const sign = (state) => `${state}.${createHmac('sha256', key).update(state).digest('hex')}`;
const verify = (signed) => {
  const state = String(signed ?? '').split('.')[0];
  if (sign(state) !== signed) throw fail(-32602, 'requestState failed its integrity check');
  return state;
};
let revision = 0;
const listeners = new Set();
const changed = (list) => {
  revision += 1;
  for (const listener of listeners) listener(`notifications/${list}/list_changed`, {});
};

const question = (message, properties, required) => ({
  method: 'elicitation/create',
  params: { mode: 'form', message, requestedSchema: { type: 'object', properties, required } },
});
const sampling = (prompt, maxTokens) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens },
});
const roots = { method: 'roots/list', params: {} };
const ask = (inputRequests, requestState) => ({
  resultType: 'input_required',
  inputRequests,
  ...(requestState === undefined ? {} : { requestState }),
});
const needName = () => ask({
  user_name: question('What is your name?', { name: { type: 'string' } }, ['name']),
});
const accepted = (answer) => answer?.action === 'accept' && answer.content;

const no = { type: 'object', properties: {} };
const tools = {
  test_simple_text: () => text('This is a simple text response for testing.'),
  test_image_content: () => ({ content: [{ type: 'image', data: PIXEL, mimeType: 'image/png' }] }),
  test_audio_content: () => ({ content: [{ type: 'audio', data: SOUND, mimeType: 'audio/wav' }] }),
  test_embedded_resource: () => ({
    content: [{
      type: 'resource',
      resource: {
        uri: 'test://embedded-resource',
        mimeType: 'text/plain',
        text: 'This is an embedded resource content.',
      },
    }],
  }),
  test_multiple_content_types: () => ({
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      { type: 'image', data: PIXEL, mimeType: 'image/png' },
      {
        type: 'resource',
        resource: {
          uri: 'test://mixed-content-resource',
          mimeType: 'application/json',
          text: '{"test":"data","value":123}',
        },
      },
    ],
  }),
  test_error_handling: () => ({
    isError: true, ...text('This tool intentionally returns an error for testing'),
  }),
  test_tool_with_logging: async (_, call) => {
    for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      call.log('info', line);
      await sleep(50);
    }
    return text('logged');
  },
  test_logging_tool: async (_, call) => {
    call.log('info', 'one');
    await sleep(20);
    return text('logged');
  },
  test_tool_with_progress: async (_, call) => {
    for (const progress of [0, 50, 100]) {
      call.progress(progress, 100);
      await sleep(50);
    }
    return text('done');
  },
  test_sampling: async (args, call) => {
    const answer = await call.ask(sampling(args.prompt ?? 'Hello', 100));
    return text(`LLM response: ${answer.content?.text}`);
  },
  test_elicitation: async (args, call) => {
    const properties = {
      username: { type: 'string', description: "User's response" },
      email: { type: 'string', description: "User's email address" },
    };
    const answer = await call.ask(
      question(args.message ?? 'Who?', properties, ['username', 'email']));
    return text(`User response: action=${answer.action}, content=${JSON.stringify(answer.content)}`);
  },
  test_elicitation_sep1034_defaults: async (_, call) => {
    const answer = await call.ask(question('Defaults', {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    }));
    return text(`Elicitation completed: action=${answer.action}, content=${JSON.stringify(answer.content)}`);
  },
  test_elicitation_sep1330_enums: async (_, call) => {
    const pairs = (n) => [1, 2, 3].map((i) => ({ const: `value${i}`, title: `${n} ${i}` }));
    const answer = await call.ask(question('Enums', {
      untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
      titledSingle: { type: 'string', oneOf: pairs('Option') },
      legacyEnum: {
        type: 'string', enum: ['opt1', 'opt2', 'opt3'],
        enumNames: ['Option One', 'Option Two', 'Option Three'],
      },
      untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
      titledMulti: { type: 'array', items: { anyOf: pairs('Choice') } },
    }));
    return text(`Elicitation completed: action=${answer.action}, content=${JSON.stringify(answer.content)}`);
  },
  test_reconnection: () => text('reconnected'),
  test_streaming_elicitation: async (args, call) => {
    call.progress(1, 2);
    return needNameUnless(call);
  },
  test_missing_capability: (_, call) => {
    if (!call.capabilities.sampling) {
      throw fail(-32021, 'Missing required client capability', { requiredCapabilities: { sampling: {} } });
    }
    return text('capable');
  },
  test_trigger_tool_change: () => { changed('tools'); return text('changed'); },
  test_trigger_prompt_change: () => { changed('prompts'); return text('changed'); },
  test_input_required_result_elicitation: (_, call) => needNameUnless(call),
  test_input_required_result_tampered_state: (_, call) => {
    if (call.state === undefined) {
      return ask({ confirm: question('Confirm', { ok: { type: 'boolean' } }, ['ok']) }, sign('tamper'));
    }
    verify(call.state);
    return text('state-ok');
  },
  test_input_required_result_request_state: (_, call) => {
    if (call.state === undefined) {
      return ask({ confirm: question('Please confirm', { ok: { type: 'boolean' } }, ['ok']) }, sign('one'));
    }
    return text(`state-ok ${verify(call.state)}`);
  },
  test_input_required_result_sampling: (_, call) => {
    const answer = call.inputs?.capital_question;
    if (!answer) return ask({ capital_question: sampling('What is the capital of France?', 100) });
    return text(answer.content?.text ?? 'no text');
  },
  test_input_required_result_list_roots: (_, call) => {
    const answer = call.inputs?.client_roots;
    if (!answer) return ask({ client_roots: roots });
    return text(`roots: ${(answer.roots ?? []).map((root) => root.uri).join(', ')}`);
  },
  test_input_required_result_multiple_inputs: (_, call) => {
    const inputs = call.inputs ?? {};
    if (!inputs.user_name || !inputs.greeting || !inputs.client_roots) {
      return ask({
        user_name: needName().inputRequests.user_name,
        greeting: sampling('Generate a greeting', 50),
        client_roots: roots,
      }, sign('multi'));
    }
    verify(call.state);
    return text(`Hello, ${inputs.user_name.content?.name}!`);
  },
  test_input_required_result_multi_round: (_, call) => {
    const state = call.state === undefined ? undefined : verify(call.state);
    if (state === undefined) {
      return ask({ step1: question('Step 1: What is your name?', { name: { type: 'string' } }, ['name']) }, sign('1'));
    }
    if (state === '1') {
      return ask({ step2: question('Step 2: What is your favorite color?', { color: { type: 'string' } }, ['color']) }, sign('2'));
    }
    return text(`Your color is ${call.inputs?.step2?.content?.color}`);
  },
  test_input_required_result_capabilities: (_, call) => {
    if (call.inputs && Object.keys(call.inputs).length > 0) return text('thanks');
    const wanted = {};
    if (call.capabilities.sampling) wanted.greeting = sampling('Generate a greeting', 50);
    if (call.capabilities.elicitation) wanted.user_name = needName().inputRequests.user_name;
    if (call.capabilities.roots) wanted.client_roots = roots;
    return Object.keys(wanted).length > 0 ? ask(wanted) : text('nothing can be asked');
  },
  json_schema_2020_12_tool: () => text('schema'),
  echo: (args) => ({ ...text(JSON.stringify(args)), structuredContent: args, futureField: [1.5] }),
  env: (args) => text(process.env[args.name] ?? ''),
  pid: () => text(process.pid),
  crash: () => process.exit(3),
  hang: () => new Promise(() => {}),
  wait: async (args, call) => {
    for (let at = 0; at < args.ms; at += 20) {
      await sleep(20);
      if (call.isCancelled()) { cancelled += 1; return text('cancelled'); }
    }
    return text('waited');
  },
  cancelled: () => text(cancelled),
};
Object.assign(tools, {
  greet: (args) => text(`Hello, ${args.name}!`),
  custom_header: (args) => text(args.region),
  slow_compute: (args, call) => inTask(call, async (task) => {
    for (let left = (args.seconds ?? 0) * 1000; left > 0 && task.status === 'working'; left -= 20) await sleep(20);
    return text('computed');
  }),
  failing_job: (_, call) => inTask(call, async () => {
    await sleep(200);
    return { isError: true, ...text('the job failed') };
  }, true),
  protocol_error_job: (_, call) => inTask(call, async () => {
    await sleep(50);
    throw fail(-32603, 'the job broke');
  }),
  confirm_delete: (args, call) => inTask(call, async (task) => {
    const answers = await waitFor(task, { confirm: question('Delete?', { confirm: { type: 'boolean' } }) });
    return text(`${args.filename}: ${answers.confirm?.action}`);
  }),
  multi_input: (_, call) => inTask(call, async (task) => {
    const wanted = {
      first: question('First?', { value: { type: 'string' } }),
      second: question('Second?', { value: { type: 'string' } }),
    };
    return text(Object.keys(await waitFor(task, wanted)).join(', '));
  }),
  test_tool_with_task: (_, call) => {
    const name = accepted(call.inputs?.user_name)?.name;
    return name ? inTask(call, async () => text(`Hello, ${name}!`), true) : needName();
  },
});

// Tasks of SEP-2663: the server decides, the client has to have declared the extension.
const TASKS = `${RESERVED}tasks`;
const jobs = new Map();
const declared = (call) => call.capabilities?.extensions?.[TASKS] !== undefined;
const undeclared = () => fail(-32021, 'Missing required client capability', {
  requiredCapabilities: { extensions: { [TASKS]: {} } },
});
const shown = ({ work, answers, wake, ...task }) => task;
const touch = (task, change) => Object.assign(task, change, { lastUpdatedAt: new Date().toISOString() });
async function inTask(call, work, isRequired = false) {
  if (!declared(call)) {
    if (isRequired) throw undeclared();
    return work({ status: 'working' });
  }
  const now = new Date().toISOString();
  const task = {
    taskId: randomUUID(), status: 'working', createdAt: now, lastUpdatedAt: now,
    ttlMs: 600000, pollIntervalMs: 50, answers: {}, wake: () => {},
  };
  jobs.set(task.taskId, task);
  work(task).then(
    (result) => task.status === 'cancelled' || touch(task, { status: 'completed', result: { resultType: 'complete', ...result } }),
    ({ code = -32603, message }) => task.status === 'cancelled' || touch(task, { status: 'failed', error: { code, message } }),
  );
  return { resultType: 'task', ...shown({ ...task, status: 'working', inputRequests: undefined }) };
}
async function waitFor(task, inputRequests) {
  touch(task, { status: 'input_required', inputRequests: { ...inputRequests } });
  await new Promise((done) => { task.wake = done; });
  touch(task, { status: 'working', inputRequests: undefined });
  return task.answers;
}
function onTask(method, params, call) {
  if (!declared(call)) throw undeclared();
  const task = jobs.get(params.taskId);
  if (!task) throw fail(-32602, 'Unknown task');
  if (method === 'tasks/get') return shown(task);
  if (method === 'tasks/cancel') {
    if (['working', 'input_required'].includes(task.status)) touch(task, { status: 'cancelled', inputRequests: undefined });
    return {};
  }
  for (const [name, value] of Object.entries(params.inputResponses ?? {})) {
    if (!task.inputRequests?.[name]) continue;
    task.answers[name] = value;
    delete task.inputRequests[name];
  }
  if (task.status === 'input_required' && Object.keys(task.inputRequests).length === 0) task.wake();
  return {};
}

let cancelled = 0;
const needNameUnless = (call) => {
  const answer = call.inputs?.user_name;
  return accepted(answer)?.name ? text(`Hello, ${answer.content.name}!`) : needName();
};
const schemas = {
  greet: { type: 'object', properties: { name: { type: 'string' } } },
  custom_header: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } }, required: ['region'] },
  slow_compute: { type: 'object', properties: { seconds: { type: 'number' } } },
  confirm_delete: { type: 'object', properties: { filename: { type: 'string' } } },
  test_sampling: { type: 'object', properties: { prompt: { type: 'string' } }, required: ['prompt'] },
  test_elicitation: { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] },
  json_schema_2020_12_tool: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
    properties: {
      name: { type: 'string' },
      address: { $ref: '#/$defs/address' },
      contactMethod: { type: 'string', enum: ['phone', 'email'] },
      phone: { type: 'string' }, email: { type: 'string' },
    },
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
    if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
    then: { required: ['phone'] }, else: { required: ['email'] },
    additionalProperties: false,
  },
};
const interactive = /^test_input_required|streaming_elicitation|missing_capability|custom_header|_job$|slow_compute|confirm_delete|multi_input|with_task/;
const toolList = (isModern) => Object.keys(tools)
  .filter((name) => isModern || !interactive.test(name))
  .filter((name) => !isModern || !/^test_(sampling|elicitation)/.test(name))
  .map((name) => ({
    name,
    description: `Fixture tool ${name}${name === 'test_trigger_tool_change' ? ` (${revision})` : ''}`,
    inputSchema: schemas[name] ?? no,
    'x-unknown': { kept: 1.0 },
  }));

const prompts = {
  test_simple_prompt: [[], () => [{ type: 'text', text: 'This is a simple prompt for testing.' }]],
  test_prompt_with_arguments: [['arg1', 'arg2'], (args) => [
    { type: 'text', text: `Prompt with arguments: arg1='${args.arg1}', arg2='${args.arg2}'` }]],
  test_prompt_with_embedded_resource: [['resourceUri'], (args) => [
    { type: 'resource', resource: { uri: args.resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } },
    { type: 'text', text: 'Please process the embedded resource above.' }]],
  test_prompt_with_image: [[], () => [
    { type: 'image', data: PIXEL, mimeType: 'image/png' },
    { type: 'text', text: 'Please analyze the image above.' }]],
  test_input_required_result_prompt: [[], (_, call) => {
    const answer = call.inputs?.user_context;
    if (!answer) {
      return ask({ user_context: question('What context should the prompt use?', { context: { type: 'string' } }, ['context']) });
    }
    return [{ type: 'text', text: `Context: ${answer.content?.context}` }];
  }],
};
const promptList = (isModern) => Object.entries(prompts)
  .filter(([name]) => isModern || !interactive.test(name))
  .map(([name, [args]]) => ({
    name, description: `Fixture prompt ${name} (${revision})`,
    arguments: args.map((argument) => ({ name: argument, description: argument, required: true })),
  }));
const resourceList = () => [
  { uri: 'test://static-text', name: 'static-text', description: 'Text', mimeType: 'text/plain' },
  { uri: 'test://static-binary', name: 'static-binary', description: 'Picture', mimeType: 'image/png' },
  { uri: 'test://watched-resource', name: 'watched-resource', description: 'Watched', mimeType: 'text/plain' },
];
const readResource = (uri, isModern) => {
  const template = /^test:\/\/template\/([^/]+)\/data$/.exec(uri);
  if (template) {
    const id = template[1];
    return { uri, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
  }
  if (uri === 'test://static-text') return { uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' };
  if (uri === 'test://static-binary') return { uri, mimeType: 'image/png', blob: PIXEL };
  if (uri === 'test://watched-resource') return { uri, mimeType: 'text/plain', text: `watched ${revision}` };
  throw fail(isModern ? -32602 : -32002, 'Resource not found', { uri });
};

const capabilities = {
  tools: { listChanged: true }, prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true }, completions: {}, logging: {},
};
const info = { name: 'fixture', version: '1.0.0' };

// One peer: `send` gives it a message, `request` asks it (legacy only).
async function answer(message, peer) {
  const { method, params = {} } = message;
  const meta = params._meta ?? {};
  const isModern = meta[`${RESERVED}protocolVersion`] !== undefined;
  if (isModern && era === 'legacy') throw fail(-32601, 'Method not found');
  if (!isModern && era === 'modern') throw fail(-32602, '_meta is missing');
  if (isModern && meta[`${RESERVED}protocolVersion`] !== MODERN) {
    throw fail(-32022, 'Unsupported protocol version', { supported: [MODERN], requested: meta[`${RESERVED}protocolVersion`] });
  }
  const token = meta.progressToken;
  const level = isModern ? meta[`${RESERVED}logLevel`] : 'debug';
  const call = {
    capabilities: isModern ? meta[`${RESERVED}clientCapabilities`] : peer.capabilities ?? {},
    inputs: params.inputResponses, state: params.requestState,
    progress: (progress, total) => token !== undefined
      && peer.send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress, total } }),
    log: (name, data) => level !== undefined
      && peer.send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: name, logger: 'fixture', data } }),
    ask: (what) => peer.request(what.method, what.params),
    isCancelled: () => peer.cancelled.has(message.id),
  };
  const complete = (result) => (isModern ? { resultType: 'complete', ...result } : result);
  const cached = (result) => (isModern ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private', ...result } : result);
  switch (method) {
    case 'initialize': {
      peer.capabilities = params.capabilities;
      const asked = params.protocolVersion;
      return { protocolVersion: LEGACY.includes(asked) ? asked : LEGACY[0], capabilities, serverInfo: info, instructions: 'A server for tests.' };
    }
    case 'server/discover':
      if (era === 'legacy') throw fail(-32601, 'Method not found');
      return cached({ supportedVersions: [MODERN], capabilities: { ...capabilities, extensions: { [TASKS]: {} } }, instructions: 'A server for tests.', _meta: { [`${RESERVED}serverInfo`]: info } });
    case 'ping': return {};
    case 'logging/setLevel': return {};
    case 'resources/subscribe': peer.watched.add(params.uri); return {};
    case 'resources/unsubscribe': peer.watched.delete(params.uri); return {};
    case 'tools/list': return cached({ tools: toolList(isModern) });
    case 'tools/call': {
      const tool = tools[params.name];
      if (!tool) throw fail(-32602, `Unknown tool: ${params.name}`);
      if (params.name.includes('watched')) changed('resources');
      return complete(await tool(params.arguments ?? {}, call));
    }
    case 'prompts/list': return cached({ prompts: promptList(isModern) });
    case 'prompts/get': {
      const prompt = prompts[params.name];
      if (!prompt) throw fail(-32602, `Unknown prompt: ${params.name}`);
      const made = prompt[1](params.arguments ?? {}, call);
      return Array.isArray(made) ? complete({ messages: made.map((content) => ({ role: 'user', content })) }) : made;
    }
    case 'tasks/get': case 'tasks/update': case 'tasks/cancel': return complete(onTask(method, params, call));
    case 'resources/list': return cached({ resources: resourceList() });
    case 'resources/templates/list':
      return cached({ resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template', description: 'Template', mimeType: 'application/json' }] });
    case 'resources/read': return cached({ contents: [readResource(params.uri, isModern)] });
    case 'completion/complete':
      return complete({ completion: { values: ['paris', 'park', 'party'].filter((word) => word.startsWith(params.argument?.value ?? '')), total: 3, hasMore: false } });
    case 'subscriptions/listen': {
      const wants = params.notifications ?? {};
      const tag = { [`${RESERVED}subscriptionId`]: message.id };
      const say = (name, more) => peer.send({ jsonrpc: '2.0', method: name, params: { ...more, _meta: tag } });
      say('notifications/subscriptions/acknowledged', { notifications: wants });
      const listener = (name) => {
        if (wants[`${name.split('/')[1]}ListChanged`]) say(name, {});
      };
      listeners.add(listener);
      await new Promise((done) => peer.onClose(done));
      listeners.delete(listener);
      return complete({});
    }
    default: throw fail(-32601, `Method not found: ${method}`);
  }
}

async function respond(message, peer) {
  try {
    return { jsonrpc: '2.0', id: message.id, result: await answer(message, peer) };
  } catch (error) {
    const { code = -32603, message: why, data } = error;
    return { jsonrpc: '2.0', id: message.id, error: { code, message: why, ...(data === undefined ? {} : { data }) } };
  }
}

function makePeer(send) {
  const waiting = new Map();
  let next = 0;
  const closers = [];
  const peer = {
    send, watched: new Set(), cancelled: new Set(), capabilities: undefined,
    request: (method, params) => new Promise((done, refuse) => {
      const id = `fixture-${++next}`;
      waiting.set(id, { done, refuse });
      peer.send({ jsonrpc: '2.0', id, method, params });
    }),
    take: (message) => {
      const waiter = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) waiter?.refuse(fail(message.error.code, message.error.message));
      else waiter?.done(message.result);
    },
    onClose: (done) => closers.push(done),
    close: () => closers.forEach((done) => done()),
  };
  return peer;
}

function stdio() {
  const peer = makePeer((message) => process.stdout.write(`${JSON.stringify(message)}\n`));
  if (era !== 'modern') listeners.add((method) => peer.capabilities && peer.send({ jsonrpc: '2.0', method }));
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const message = JSON.parse(line);
    if (message.method === 'notifications/cancelled') return peer.cancelled.add(message.params.requestId);
    if (message.method === undefined) return peer.take(message);
    if (message.id !== undefined) {
      const response = await respond(message, peer);
      if (!peer.cancelled.has(message.id)) peer.send(response);
    }
  }).on('close', () => process.exit(0));
}

function http(port) {
  const sessions = new Map();
  createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const session = sessions.get(request.headers['mcp-session-id']);
    const reply = (status, body, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    if (request.method === 'DELETE') {
      sessions.delete(request.headers['mcp-session-id']);
      return reply(200);
    }
    if (request.method === 'GET') {
      if (!session || era === 'modern') return reply(405);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': hello\n\n');
      session.stream = response;
      return undefined;
    }
    const message = JSON.parse(Buffer.concat(chunks).toString());
    const isModern = message.params?._meta?.[`${RESERVED}protocolVersion`] !== undefined;
    if (isModern && era !== 'legacy') {
      if (message.id === undefined) return reply(202);
      const stream = (line) => {
        if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`data: ${JSON.stringify(line)}\n\n`);
      };
      const peer = makePeer(stream);
      response.on('close', () => { peer.cancelled.add(message.id); peer.close(); });
      const answered = await respond(message, peer);
      if (response.headersSent) { stream(answered); return response.end(); }
      const status = { [-32601]: 404, [-32020]: 400, [-32021]: 400, [-32022]: 400 }[answered.error?.code] ?? 200;
      return reply(status, answered);
    }
    if (message.method === 'initialize' && era !== 'modern') {
      const id = randomUUID();
      const peer = makePeer(() => {});
      sessions.set(id, { peer });
      return reply(200, await respond(message, peer), { 'mcp-session-id': id });
    }
    if (!session) return reply(request.headers['mcp-session-id'] ? 404 : 400, { jsonrpc: '2.0', id: message.id ?? null, error: { code: -32600, message: 'no session' } });
    if (message.method === 'notifications/cancelled') session.peer.cancelled.add(message.params.requestId);
    if (message.method === undefined) session.peer.take(message);
    if (message.method === undefined || message.id === undefined) return reply(202);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const own = Object.create(session.peer);
    const send = (line) => response.write(`data: ${JSON.stringify(line)}\n\n`);
    own.send = send;
    own.request = (method, params) => {
      const before = session.peer.send;
      session.peer.send = send;
      const asked = session.peer.request(method, params);
      session.peer.send = before;
      return asked;
    };
    send(await respond(message, own));
    return response.end();
  }).listen(port, '127.0.0.1', function listening() {
    process.stderr.write(`listening on ${this.address().port}\n`);
  });
  if (era !== 'modern') {
    listeners.add((method) => sessions.forEach(({ stream }) => stream?.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method })}\n\n`)));
  }
}

if (flag('http') === undefined) stdio();
else http(Number(flag('http')));
