// Counts checks and says which failed.

export const BASE_URL = process.env.TOUR_BASE_URL;
export const SIMULATOR_URL = process.env.TOUR_SIMULATOR_URL;
export const MODELS = process.env.TOUR_MODELS.split(",");

// One red pixel.
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

let passed = 0;
let failed = 0;

export async function check(name, run) {
  try {
    await run();
    passed += 1;
  } catch (error) {
    failed += 1;
    console.error(`FAILED ${name}`);
    console.error(error);
  }
}

export function end(title) {
  console.log(`${title}: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

export async function expectError(kind, run) {
  try {
    await run();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`expected ${kind.name}`);
}

export async function lastRequest() {
  const reply = await fetch(`${SIMULATOR_URL}/_simulator/requests`);
  const { requests } = await reply.json();
  return requests.at(-1);
}

export async function untilClientLeft() {
  const deadline = Date.now() + 10_000;
  while (!(await lastRequest()).client_left) {
    if (Date.now() > deadline) throw new Error("the provider was not told that the client left");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
