// Requests to the REST API, with the console's session.

/** The address of the API: a proxy may serve it below a path. */
export const ROOT = new URL("..", location.href);

/** An error of the API: its message says what to do. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let session;

/** Who is signed in: `{role, app, app_name, csrf_token}`. */
export function currentSession() {
  session ??= send("console/session", {});
  return session;
}

/** Leaves for the page to sign in with, which returns here. */
export function signIn() {
  const page = location.pathname.split("/").at(-1);
  location.replace(`sign-in?next=${encodeURIComponent(page + location.search)}`);
  return new Promise(() => {});
}

/** The text of a path: `path("apps", ident, "history", {channel})`; what is empty is left out of the query. */
export function path(...parts) {
  const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(pairs).toString();
  return parts.map((part) => encodeURIComponent(part)).join("/") + (text && `?${text}`);
}

/** Sends a request and returns the JSON of its answer. A body is an object, or JSON as text. */
export async function api(target, { method = "GET", body, signal } = {}) {
  const { csrf_token: token } = await currentSession();
  return send(target, { method, body, signal, token });
}

/** The answer itself, for what is read as it arrives. */
export async function stream(target, signal) {
  const { csrf_token: token } = await currentSession();
  return fetched(target, { signal, token, accept: "application/x-ndjson" });
}

async function send(target, options) {
  const answer = await fetched(target, options);
  return answer.json();
}

async function fetched(target, { method = "GET", body, signal, token, accept = "application/json" }) {
  const headers = { Accept: accept };
  if (token) headers["X-CSRF-Token"] = token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(new URL(target, ROOT), { method, headers, body: text, signal, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer. Is it running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) return signIn();
  const problem = await answer.json().catch(() => ({}));
  throw new ApiError(answer.status, problem.message ?? `The server answered with ${answer.status}.`);
}
