// The interface of a WebSocket over plain HTTP: frames are received from a stream of the server and sent as requests.

// A stream that was silent for longer is lost: the server sends something every 15 seconds.
const MOST_SILENCE = 40_000;
// The codes of error frames, by the status of an answer.
const CODES = { 400: 4311, 401: 4009, 403: 4009, 404: 4001, 429: 4301 };

/** The seconds until a token expires; without a readable claim, an hour. */
function lifetime(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).exp - Date.now() / 1000 || 3_600;
  } catch {
    return 3_600;
  }
}

class HttpSocket {
  readyState = 0;
  #url;
  #closed = false;
  // The serial of the last event by channel; `undefined`: new events only.
  #channels = new Map();
  // Channels whose subscription is not answered yet.
  #asked = new Set();
  #abort = new AbortController();
  #timer;
  #id;
  #heard = 0;
  #token;

  constructor(url) {
    const at = url.lastIndexOf("/") + 1;
    const base = url.slice(0, at).replace(/^ws/, "http");
    this.#url = `${base}stream/${url.slice(at)}`;
    HttpSocket.reaches(url).then((reached) => {
      if (!reached) return this.#end(1006);
      this.readyState = 1;
      this.#emit("pusher:connection_established", undefined, JSON.stringify({ socket_id: "stream" }));
    });
  }

  /** Whether the server answers requests. */
  static reaches(url) {
    const live = new URL("health/live", url.replace(/^ws/, "http"));
    return fetch(live, { cache: "no-store", signal: AbortSignal.timeout(GREETING_TIMEOUT) }).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  close() {
    this.#closed = true;
    this.readyState = 3;
    clearTimeout(this.#timer);
    this.#abort.abort();
    queueMicrotask(() => this.onclose?.({ code: 1000 }));
  }

  send(text) {
    const frame = JSON.parse(text);
    const { channel, since, token } = frame.data ?? {};
    switch (frame.event) {
      case "pusher:token":
        this.#token = token;
        this.#emit("pusher_internal:token_accepted", undefined, JSON.stringify({ expires_in: lifetime(token) }));
        return this.#channels.size > 0 && this.#restart();
      case "pusher:ping":
        if (this.#channels.size === 0 || Date.now() - this.#heard < MOST_SILENCE) this.#emit("pusher:pong");
        break;
      case "pusher:subscribe":
        if (channel.startsWith("peer-") || (NEEDS_AUTH.test(channel) && !this.#token))
          return this.#fail(channel, { code: 4009, message: `${channel} requires a WebSocket, or a token`, event: frame.event });
        this.#channels.set(channel, since === "now" ? undefined : since);
        this.#asked.add(channel);
        return this.#restart();
      case "pusher:unsubscribe":
        this.#channels.delete(channel);
        this.#asked.delete(channel);
        this.#answer("unsubscription_succeeded", channel, {});
        return this.#restart();
      case "pusher:latest":
        this.#latest(channel, frame.data);
        break;
      default:
        this.#publish(frame);
    }
  }

  #emit(event, channel, data, further) {
    if (!this.#closed) this.onmessage?.({ data: JSON.stringify({ event, channel, data, ...further }) });
  }

  #answer(event, channel, data) {
    const state = { name: channel, members: {}, alias: [], events: [], ...data };
    this.#emit(`pusher_internal:${event}`, channel, JSON.stringify(state));
  }

  #fail(channel, data) {
    queueMicrotask(() => this.#emit("pusher:error", channel, data));
  }

  #end(code) {
    if (this.#closed) return;
    this.#closed = true;
    this.readyState = 3;
    this.#abort.abort();
    this.onclose?.({ code });
  }

  /** Opens a stream of the current channels; several changes at once share it. */
  #restart() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open());
  }

  async #open() {
    const before = this.#abort;
    const abort = (this.#abort = new AbortController());
    const names = [...this.#channels.keys()].sort();
    if (names.length === 0) return before.abort();
    const known = Object.fromEntries([...this.#channels].filter(([, serial]) => serial !== undefined));
    const query = new URLSearchParams([...names.map((name) => ["channel", name]), ["since", JSON.stringify(known)]]);
    try {
      // Proxies know that such a response must not be buffered.
      const headers = { Accept: "text/event-stream", ...this.#authorization };
      const answer = await fetch(`${this.#url}?${query}`, { headers, cache: "no-store", signal: abort.signal });
      // The new stream continues where the former one is.
      before.abort();
      this.#heard = Date.now();
      if (!answer.ok) return this.#refused(answer);
      this.#id = answer.headers.get("Pushi-Stream");
      // The server's cursor: a tag of five characters and the serial of each channel, in the order of their names.
      const serials = answer.headers.get("Pushi-Cursor").split(".").map((entry) => Number(entry.slice(5)));
      names.forEach((name, index) => {
        const [since, serial] = [this.#channels.get(name), serials[index]];
        if (this.#channels.has(name)) this.#channels.set(name, Math.max(since ?? 0, serial));
        if (this.#asked.delete(name)) this.#answer("subscription_succeeded", name, { recovered: since === undefined || since === serial, serial });
      });
      await this.#read(answer.body, abort.signal);
      this.#end(1006);
    } catch {
      if (!abort.signal.aborted) this.#end(1006);
    }
  }

  get #authorization() {
    return this.#token && { Authorization: `Bearer ${this.#token}` };
  }

  async #refused(answer) {
    const { message } = await answer.json().catch(() => ({}));
    const code = CODES[answer.status] ?? 4320;
    if (code === 4001 || code === 4009) return this.#end(code);
    for (const channel of this.#asked) this.#fail(channel, { code, message, event: "pusher:subscribe" });
    this.#asked.clear();
    if (code === 4320) this.#end(1006);
  }

  async #read(body, signal) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let name = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      this.#heard = Date.now();
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (signal.aborted) return;
        if (line.startsWith("event: ")) name = line.slice(7);
        if (!line.startsWith("data: ")) continue;
        this.#receive(name, JSON.parse(line.slice(6)));
        name = "";
      }
    }
  }

  #receive(name, frame) {
    const { event, channel, data, serial } = frame;
    if (name === "error") return this.#end(data.code < 4100 ? data.code : 1006);
    if (name === "gap") {
      for (const one of frame.channels) this.#answer("subscription_succeeded", one, { recovered: false, serial: this.#channels.get(one) ?? 0 });
      return;
    }
    if (serial !== undefined) {
      if (serial <= this.#channels.get(channel)) return;
      this.#channels.set(channel, serial);
    }
    this.#emit(event, channel, data, frame);
  }

  /** Requests the events before the position of a channel by a poll. */
  async #latest(channel, { skip, count }) {
    const until = (this.#channels.get(channel) ?? 0) - skip;
    const since = JSON.stringify({ [channel]: Math.max(until - count, 0) });
    const known = await this.#request({ channel, since, wait: 0 }, {}, (code, message) => {
      this.#fail(channel, { code, message, event: "pusher:latest" });
    });
    const past = known?.events.filter(({ serial }) => serial <= until).reverse();
    const events = past?.map(({ event, data, ...rest }) => ({ ...rest, data: { event, channel, data } }));
    if (events) this.#answer("latest", channel, { events });
  }

  /** The answer to a request, as JSON; otherwise calls `fail(code, message)`. */
  async #request(query, { headers, ...settings }, fail) {
    try {
      const answer = await fetch(`${this.#url}?${new URLSearchParams(query)}`, {
        ...settings,
        headers: { Accept: "application/json", ...headers, ...this.#authorization },
        signal: AbortSignal.timeout(ENDPOINT_TIMEOUT),
      });
      const json = await answer.json();
      return answer.ok ? json : fail(CODES[answer.status] ?? 4320, json.message);
    } catch (error) {
      return fail(4320, `the request failed, or its outcome is unknown: ${error.message}`);
    }
  }

  async #publish({ event, channel, ref, echo, ...body }) {
    const query = { echo: Boolean(echo), ...(this.#id && { stream: this.#id }) };
    const settings = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ event, channel, ...body }) };
    const json = await this.#request(query, settings, (code, message) => this.#fail(channel, { code, message, event, ref }));
    if (!json || !ref) return;
    const [{ mid, serial, timestamp }] = json.events;
    this.#emit("pusher_internal:published", channel, JSON.stringify({ ref, mid, serial, timestamp }));
  }
}
