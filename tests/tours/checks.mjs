// What the tours in JavaScript share: counting, the names of models, and what the provider has seen.

import assert from "node:assert/strict";

export const BASE_URL = process.env.TOUR_BASE_URL;
// A gateway that asks for a key, and the key.
export const LOCKED_URL = process.env.TOUR_LOCKED_URL;
export const LOCKED_KEY = process.env.TOUR_LOCKED_KEY;
// One speaks chat completions, the other messages.
export const PROVIDERS = ["openai", "anthropic"];

const SIMULATOR_URL = process.env.TOUR_SIMULATOR_URL;
const TOUR = process.env.TOUR;

// One red pixel.
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
// `%PDF-1.4` and its end; nobody here looks inside.
export const PDF = "JVBERi0xLjQKJSVFT0YK";

let passed = 0;
let failed = 0;

// Runs one check and counts it. A tour reports every failure and goes on.
export async function check(title, run) {
  try {
    await run();
    passed += 1;
  } catch (error) {
    failed += 1;
    console.error(`FAILED ${TOUR}: ${title}`);
    console.error(error);
  }
}

// Runs every function of `tours` once for each provider.
export async function checkAll(tours) {
  for (const provider of PROVIDERS) {
    for (const [name, run] of Object.entries(tours)) {
      await check(`${name} over ${provider}`, () => run(provider));
    }
  }
}

// Prints the counts and ends the tour.
export function end() {
  console.log(`${TOUR}: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

// A model of its own for every check: a breaker that one opens disturbs no other.
export function named(provider, what, fault) {
  const model = `${TOUR}-${what}`;
  return fault ? `${provider}/fault:${fault}/${model}` : `${provider}/${model}`;
}

// The error of this kind that `run` must throw.
export async function expectError(kind, run) {
  try {
    await run();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`expected ${kind.name}`);
}

// What the provider got for the model of this check, in order.
export async function arrivals(what) {
  const reply = await fetch(`${SIMULATOR_URL}/_simulator/requests`);
  const { requests } = await reply.json();
  return requests.filter((request) => request.model === `${TOUR}-${what}`);
}

// The body of the last request that the provider got for the model of this check.
export async function sent(what) {
  return JSON.parse((await arrivals(what)).at(-1).body);
}

// Waits until the provider has seen its client leave.
export async function untilClientLeft(what) {
  const deadline = Date.now() + 10_000;
  while (!(await arrivals(what)).some((request) => request.client_left)) {
    assert.ok(Date.now() < deadline, "the provider was not told that the client left");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
