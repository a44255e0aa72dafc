// A WebSocket connection with automatic reconnects and detection of dead peers. Where WebSockets fail and plain HTTP does
// not, such as behind a proxy that refuses upgrades, it is a stream over plain HTTP until a WebSocket is possible.

// Timeout of a connection attempt until the greeting, in milliseconds.
const GREETING_TIMEOUT = 10_000;
// Reconnect backoff: the first delay is a random part of this, and the range doubles with each attempt.
const FIRST_WAIT = 500;
// A connection that lasted at least this long resets the backoff.
const SETTLED = 5_000;
// Maximum number of consecutive immediate reconnects after close code 4200.
const MOST_AT_ONCE = 5;
// The failed attempts in a row after which plain HTTP is used, if the server answered requests right before the last one.
const MOST_FAILED = 3;
// Maximum delay between the attempts to replace a stream with a WebSocket, in milliseconds; it doubles with each.
const MOST_PROBE_WAIT = 600_000;
// Timeout of a ping that is sent because the connection may be lost.
const SHORT_GRACE = 5_000;

class Line {
  socket = null;
  socketId = null;
  #settings;
  #owner;
  #open = false;
  #paused = false;
  #attempts = 0;
  #failed = 0;
  #reached = false;
  #plain = false;
  #probe = null;
  #probeTimer;
  #greeted = 0;
  #heard = 0;
  #unanswered = false;
  #timer;

  /** `owner` is notified through `up()`, `down(code)`, `refused(code)` and `receive(frame)`. */
  constructor(url, settings, owner) {
    this.url = url;
    this.#settings = settings;
    this.#owner = owner;
  }

  get transport() {
    return this.#plain ? "stream" : "websocket";
  }

  open() {
    if (this.#open) return;
    this.#open = true;
    this.#paused = false;
    this.#watch("addEventListener");
    this.#connect();
  }

  /** Closes permanently; the promise resolves once the socket is closed. */
  close() {
    this.#end();
    const socket = this.#detach();
    if (!socket) return Promise.resolve();
    return new Promise((resolve) => {
      // On a dead network the closing handshake would take minutes.
      const timer = setTimeout(resolve, 1_000);
      socket.onclose = () => {
        clearTimeout(timer);
        resolve();
      };
      socket.close();
    });
  }

  /** Replaces the socket with a new one. */
  restart() {
    if (!this.#open) return this.open();
    this.#attempts = 0;
    this.#plain = false;
    if (this.socket) this.#lost(4200);
    else this.#wake();
  }

  send(frame) {
    this.socket.send(JSON.stringify(frame));
  }

  /** Handles events of window and document: offline, online, return from the background. */
  handleEvent({ type, persisted }) {
    if (type === "pageshow" && !persisted) return;
    if (type === "visibilitychange" && (document.visibilityState !== "visible" || (this.#paused && !navigator.onLine))) return;
    if (type !== "offline") return this.#wake();
    this.#paused = true;
    clearTimeout(this.#timer);
    if (this.socket) this.#lost(1006);
  }

  #watch(how) {
    for (const type of ["online", "offline", "pageshow"]) globalThis[how]?.(type, this);
    globalThis.document?.[how]("visibilitychange", this);
  }

  #end() {
    this.#open = false;
    clearTimeout(this.#timer);
    this.#watch("removeEventListener");
  }

  #wake() {
    this.#paused = false;
    this.#attempts = 0;
    // The network may be another one.
    if (!this.socket) this.#plain = false;
    if (!this.socket) this.#connect();
    else if (this.socketId) this.#ping(SHORT_GRACE);
  }

  #connect() {
    clearTimeout(this.#timer);
    if (!this.#open || this.#paused || this.socket) return;
    const socket = this.#plain ? new HttpSocket(this.url) : new this.#settings.WebSocket(this.url);
    this.socket = socket;
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = ({ code }) => this.#lost(code);
    // Not every runtime sends a close event after a failed attempt.
    socket.onerror = () => this.socketId === null && this.#lost(1006);
    this.#timer = setTimeout(() => this.#lost(1006), GREETING_TIMEOUT);
  }

  #hear(text) {
    this.#heard = Date.now();
    this.#unanswered = false;
    const frame = JSON.parse(text);
    if (frame.event !== "pusher:connection_established") return this.#owner.receive(frame);
    this.socketId = JSON.parse(frame.data).socket_id;
    this.#greeted = this.#heard;
    this.#failed = 0;
    this.#beat();
    if (this.#plain) this.#probeAfter(this.#settings.timeout);
    this.#owner.up();
  }

  /** Attempts a WebSocket beside a stream, and replaces the stream once one is greeted. */
  #probeAfter(wait) {
    this.#probeTimer = setTimeout(() => {
      const probe = (this.#probe = new this.#settings.WebSocket(this.url));
      const end = () => {
        if (probe !== this.#probe) return;
        this.#endProbe();
        this.#probeAfter(Math.min(2 * wait, MOST_PROBE_WAIT));
      };
      this.#probeTimer = setTimeout(end, GREETING_TIMEOUT);
      probe.onerror = probe.onclose = end;
      probe.onmessage = ({ data }) => {
        if (JSON.parse(data).event !== "pusher:connection_established") return;
        this.#plain = false;
        this.#lost(4200);
      };
    }, wait * (0.5 + Math.random() / 2));
  }

  #endProbe() {
    clearTimeout(this.#probeTimer);
    const probe = this.#probe;
    this.#probe = null;
    if (!probe) return;
    probe.onmessage = probe.onclose = null;
    probe.onerror = () => {};
    probe.close();
  }

  /** Pings after two thirds of the activity time without a frame, so that the ping times out at its end. */
  #beat() {
    const due = (this.#settings.activityTimeout * 2) / 3;
    // A clock that was set back must not lengthen the delay.
    const wait = Math.min(due, this.#heard + due - Date.now());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (Date.now() - this.#heard >= due ? this.#ping(due / 2) : this.#beat()), wait);
  }

  #ping(grace) {
    this.#unanswered = true;
    this.send({ event: "pusher:ping", data: {} });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#unanswered ? this.#lost(1006) : this.#beat()), grace);
  }

  #detach() {
    this.#endProbe();
    const socket = this.socket;
    this.socket = this.socketId = null;
    if (!socket) return null;
    socket.onmessage = socket.onclose = null;
    // npm's ws throws errors that have no listener.
    socket.onerror = () => {};
    return socket;
  }

  #lost(code) {
    clearTimeout(this.#timer);
    const greeted = this.socketId !== null;
    const socket = this.#detach();
    // A dead peer does not answer the closing handshake, so the socket would stay. Only npm's ws can terminate it.
    if (socket.readyState < 2) socket.terminate ? socket.terminate() : socket.close();
    if (greeted && Date.now() - this.#greeted > SETTLED) this.#attempts = 0;
    if (code > 4000 && code < 4100) {
      this.#end();
      if (greeted) this.#owner.down();
      return this.#owner.refused(code);
    }
    const wasPlain = this.#plain;
    const failed = greeted || wasPlain ? 0 : ++this.#failed;
    // Not while the server starts: it answered requests, and yet no WebSocket was possible.
    if (!greeted) this.#plain = failed >= MOST_FAILED && this.#reached;
    this.#reached = false;
    const most = Math.min(this.#settings.timeout, FIRST_WAIT * 2 ** this.#attempts);
    const falls = this.#plain && !wasPlain;
    const wait = falls || (code === 4200 && this.#attempts < MOST_AT_ONCE) ? 0 : Math.random() * most;
    if (!falls) this.#attempts++;
    if (!this.#paused) this.#connectAfter(wait, !this.#plain && failed >= MOST_FAILED - 1);
    if (greeted) this.#owner.down();
  }

  /** `checks`: at once where the server answers a request. */
  async #connectAfter(wait, checks) {
    const attempt = this.#attempts;
    const reached = checks && (await HttpSocket.reaches(this.url));
    if (!this.#open || this.socket || attempt !== this.#attempts) return;
    this.#reached = reached;
    this.#timer = setTimeout(() => this.#connect(), reached ? 0 : wait);
  }
}
