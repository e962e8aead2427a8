// OpenAI's JavaScript client against a gateway: makes every call of one group and prints what it got as JSON.
// Environment: BASE_URL, API_KEY, POOR_KEY (of an account out of credit), TEST_KEY, TAG (for the fake provider).
import OpenAI from "openai";

const { BASE_URL, API_KEY, POOR_KEY, TEST_KEY, TAG } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "What is the answer?" }];

async function all(stream) {
  const found = [];
  for await (const one of stream) found.push(one);
  return found;
}

async function errorOf(call) {
  try {
    await call();
    return null;
  } catch (error) {
    const { status, code, type, param } = error;
    return { kind: error.constructor.name, status, code, type, param, retryAfter: error.headers?.get("retry-after") };
  }
}

const chat = (model, more = {}) => client.chat.completions.create({ model, messages, ...more });
const as = (apiKey) => client.withOptions({ apiKey });

const groups = {
  async answers() {
    const chunks = await all(await chat("fake/plain", { stream: true, stream_options: { include_usage: true } }));
    const events = await all(await client.responses.create({ model: "fake/plain", input: "x", stream: true }));
    const models = await all(client.models.list());
    return {
      chat: await chat("fake/plain"),
      chunks: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""),
      chunkUsage: chunks.at(-1).usage,
      response: await client.responses.create({ model: "fake/plain", input: "x" }),
      events: events.map((event) => event.type),
      eventUsage: events.at(-1).response.usage,
      embeddings: await client.embeddings.create({ model: "anuma/echo", input: ["a", "b"], dimensions: 16 }),
      models: models.map((model) => model.id),
      model: await client.models.retrieve("fake/plain"),
    };
  },

  async errors() {
    const x = "x".repeat(10 * 2 ** 20);
    return {
      mistyped: await errorOf(() => as("nonsense").models.list()),
      poor: await errorOf(() => as(POOR_KEY).chat.completions.create({ model: "fake/plain", messages })),
      forbidden: await errorOf(() => as(TEST_KEY).responses.create({ model: "fake/plain", input: "x" })),
      missing: await errorOf(() => client.embeddings.create({ model: "nowhere", input: "x" })),
      large: await errorOf(() => client.responses.create({ model: "anuma/echo", input: x })),
      body: await errorOf(() => client.responses.create({ model: "anuma/echo", input: [] })),
      limited: await errorOf(() => chat("fake/limited")),
      failed: await errorOf(() => client.responses.create({ model: "fake/fails", input: "x" })),
      late: await errorOf(() => chat("hasty/silent")),
      brokenChat: await errorOf(async () => all(await chat("fake/error-event", { stream: true }))),
      brokenResponse: await errorOf(async () =>
        all(await client.responses.create({ model: "fake/error-event", input: "x", stream: true })),
      ),
    };
  },

  async abort() {
    const stream = await chat("fake/stalls", { stream: true, user: TAG });
    const first = (await stream[Symbol.asyncIterator]().next()).value;
    stream.controller.abort();
    return { first: first.choices[0].delta.content };
  },
};

console.log(JSON.stringify(await groups[process.argv[2]]()));
