// Signatures for subscriptions, from the page's back end or from a local secret.

const NEEDS_AUTH = /^(private|presence|personal)-/;
// Channels whose notifications need a signature.
const CLOSED = /^(private|presence|personal|peer)-/;

// Timeout of a request to the back end, in milliseconds.
const ENDPOINT_TIMEOUT = 10_000;

/** Returns `{ auth, channel_data }`, using the first option that is set: authorizer, authEndpoint, appSecret. */
async function authorize(options, appKey, socketId, channel) {
  const { authorizer, authEndpoint, appSecret } = options;
  let grant = {};
  if (authorizer) grant = await authorizer(socketId, channel);
  else if (authEndpoint) grant = await askEndpoint(options, socketId, channel);
  else if (!appSecret) throw new PushiError(`${channel} requires a signature: set authEndpoint or authorizer`, { channel });
  if (typeof grant === "string") grant = { auth: grant };
  let { auth, channel_data } = grant ?? {};
  // With a colon in the name, the signature would also be one of another channel with channel data.
  if (!auth && appSecret && channel.includes(":")) throw new PushiError(`${channel} has a colon, so it cannot be signed`, { channel });
  if (!auth && appSecret) auth = await signature({ appKey, appSecret }, socketId, channel);
  if (!auth) throw new PushiError(`the response for ${channel} has no auth`, { channel });
  return { auth, channel_data: channel_data ?? undefined };
}

async function askEndpoint({ authEndpoint, authHeaders, baseWebUrl }, socketId, channel) {
  const headers = typeof authHeaders === "function" ? await authHeaders() : authHeaders;
  const query = `socket_id=${encodeURIComponent(socketId)}&channel=${encodeURIComponent(channel)}`;
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  const url = new URL(authEndpoint, page?.startsWith("http") ? page : baseWebUrl);
  url.search += (url.search ? "&" : "?") + query;
  const fail = (why, code, again) => {
    const error = new PushiError(`the auth endpoint ${why} for ${channel}`, { code, channel });
    error.again = again;
    throw error;
  };
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(ENDPOINT_TIMEOUT) }).catch((error) =>
    fail(`cannot be reached (${error.message})`, 0, true),
  );
  if (!answer.ok) fail(`answered ${answer.status}`, answer.status, answer.status >= 500 || answer.status === 429);
  return answer.json().catch(() => fail("answered no JSON", answer.status));
}

/** Signs locally, for programs that have the secret, such as a back end in Node. */
async function signature({ appKey, appSecret }, subject, channel) {
  const bytes = (string) => new TextEncoder().encode(string);
  const key = await crypto.subtle.importKey("raw", bytes(appSecret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const code = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(`${subject}:${channel}`)));
  return `${appKey}:${Array.from(code, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
