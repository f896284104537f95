// Calls to the service that the page came from, and its refusals as errors with a sentence. No other host is called.

/** A refusal: `message` is the service's own sentence, `retryAfter` whole seconds or null when trying again is no use. */
export class Refusal extends Error {
  constructor(message, { code = null, trace = null, retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { code, trace, retryAfter });
  }
}

/** The model card. Throws a Refusal when there is no model yet. */
export async function askModel() {
  return (await call("model")).json();
}

/** How the Kafka door is; its `state` is "off" where there is none. */
export async function askClaims() {
  return (await call("claims")).json();
}

export async function askSample() {
  return (await call("page/sample.csv")).text();
}

/** The answer of `POST /predict` and how long it took as seen from here, in milliseconds. */
export async function askForecast(body, signal) {
  const begun = performance.now();
  const response = await call("predict?timings=1", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  return { answer: await response.json(), seen_ms: performance.now() - begun };
}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The service did not answer. It may be starting again.", { retryAfter: 3 });
  }
  if (response.ok) return response;
  throw await refusal(response);
}

async function refusal(response) {
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const told = { retryAfter: Number.isNaN(wait) ? null : Math.max(1, wait) };
  // A proxy between here and the service answers in words of its own; only problem+json is the service's.
  if (!(response.headers.get("Content-Type") ?? "").includes("json")) {
    return new Refusal(`The service answered with status ${response.status}.`, told);
  }
  const problem = await response.json().catch(() => ({}));
  const sentence = typeof problem.detail === "string" ? problem.detail : problem.title;
  const where = Array.isArray(problem.errors) ? problem.errors.map((each) => `${each.loc.join(".")}: ${each.msg}`) : [];
  return new Refusal([sentence ?? `The service answered with status ${response.status}.`, ...where].join(" "), {
    ...told,
    code: problem.code ?? null,
    trace: problem.trace_id ?? response.headers.get("X-Request-ID"),
  });
}
