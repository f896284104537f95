// Calls to the service that the page came from, and its refusals as errors with a sentence. No other host is called.

/** What the service asks for where it wants to know who asks. In memory only: a reload forgets it. */
let key = null;

export function useKey(value) {
  key = value === "" ? null : value;
}

export function hasKey() {
  return key !== null;
}

/** A refusal: `message` is the service's own sentence, `floor` what its rules found all the same. */
export class Refusal extends Error {
  constructor(message, more = {}) {
    super(message);
    Object.assign(this, { status: null, code: null, trace: null, retryAfter: null, fields: [], floor: null, ...more });
  }

  /** Nobody answered: a break in the network, or the service is starting again. */
  get unreachable() {
    return this.status === null;
  }
}

/** What the service is, and whom one may ask about. */
export async function askInfo() {
  return (await call("./", { headers: { Accept: "application/json" }, cache: "no-store" })).json();
}

/** How far the model is; also while that is not far. */
export async function askReadiness() {
  const response = await reach("ready", { headers: { Accept: "application/json" }, cache: "no-store" });
  return response.json().catch(() => ({ status: "unknown" }));
}

/** Puts a question. The answer is a stream of events; asked again with the same `once`, it is the same job's. */
export function ask({ mrn, query, mode }, once, signal) {
  const question = { patient_mrn: mrn, query, ...(mode === null ? {} : { llm_mode: mode }) };
  const headers = { Accept: "text/event-stream", "Content-Type": "application/json", "Idempotency-Key": once };
  return call("triage", { method: "POST", headers, body: JSON.stringify(question), signal });
}

/** The events of a question after the last one that arrived. */
export function follow(jobId, lastId, signal) {
  const headers = { Accept: "text/event-stream", ...(lastId === "" ? {} : { "Last-Event-ID": lastId }) };
  return call(`triage/${encodeURIComponent(jobId)}/events`, { headers, signal });
}

/** Takes a question back. What became of it: it may have been done already. */
export async function takeBack(jobId) {
  return (await call(`triage/${encodeURIComponent(jobId)}`, { method: "DELETE" })).json();
}

export async function sendFeedback(jobId, verdict, comment) {
  const body = { job_id: jobId, verdict, ...(comment === "" ? {} : { comment }) };
  await call("feedback", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

async function call(path, options) {
  const response = await reach(path, options);
  if (response.ok) return response;
  throw await refusal(response);
}

async function reach(path, { headers = {}, ...options }) {
  const own = key === null ? {} : { Authorization: `Bearer ${key}` };
  try {
    return await fetch(path, { credentials: "same-origin", headers: { ...headers, ...own }, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The service does not answer. It may be starting again, or the network is away.");
  }
}

async function refusal(response) {
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const told = {
    status: response.status,
    retryAfter: Number.isNaN(wait) ? null : Math.max(1, wait),
    trace: response.headers.get("X-Request-ID"),
  };
  // A proxy between here and the service answers in words of its own; only JSON is the service's.
  if (!(response.headers.get("Content-Type") ?? "").includes("json")) {
    return new Refusal(`The service answered with status ${response.status}.`, told);
  }
  return problemOf(await response.json().catch(() => ({})), told);
}

/** A problem, from a refusal's body or from an `error` event. It may have the older shape, with all under `detail`. */
export function problemOf(problem, told = {}) {
  const old = problem.detail !== null && typeof problem.detail === "object" ? problem.detail : {};
  const status = told.status ?? problem.status ?? 0;
  const sentence = typeof problem.detail === "string" ? problem.detail : old.error ?? problem.title;
  const errors = problem.errors ?? (Array.isArray(old) ? old : []);
  const where = errors.map((each) => `${each.loc.filter((part) => part !== "body").join(".")}: ${each.msg}`);
  return new Refusal([sentence ?? `The service answered with status ${status}.`, ...where].join(" "), {
    retryAfter: problem.retry_after_s ?? null,
    ...told,
    status,
    code: problem.code ?? null,
    trace: problem.trace_id ?? old.trace_id ?? told.trace ?? null,
    fields: errors.map((each) => each.loc.at(-1)),
    floor: problem.acuity_floor === undefined ? null : {
      acuity: problem.acuity_floor,
      notice: problem.emergency_notice ?? null,
      numbers: problem.emergency_numbers ?? [],
      codes: problem.red_flags ?? [],
    },
  });
}
