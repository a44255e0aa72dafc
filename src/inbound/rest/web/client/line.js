// A WebSocket connection with automatic reconnects and detection of dead peers. Where WebSockets fail and plain HTTP does
// not, such as behind a proxy that refuses upgrades, it is a stream over plain HTTP.

// Timeout of a connection attempt until the greeting, in milliseconds.
const GREETING_TIMEOUT = 10_000;
// Reconnect backoff: the first delay is a random part of this, and the range doubles with each attempt.
const FIRST_WAIT = 500;
// A connection that lasted at least this long resets the backoff.
const SETTLED = 5_000;
// Maximum number of consecutive immediate reconnects after close code 4200.
const MOST_AT_ONCE = 5;
// The failed attempts in a row after which each further one is followed by an attempt over plain HTTP.
const MOST_FAILED = 3;
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
  #plain = false;
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
    if (!this.#open || this.#paused) return;
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
    this.#owner.up();
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
    // At once after a WebSocket that failed: a server that starts again meanwhile is found by a WebSocket.
    const falls = !greeted && !this.#plain && ++this.#failed >= MOST_FAILED;
    if (!greeted) this.#plain = falls;
    const most = Math.min(this.#settings.timeout, FIRST_WAIT * 2 ** this.#attempts);
    const wait = falls || (code === 4200 && this.#attempts < MOST_AT_ONCE) ? 0 : Math.random() * most;
    if (!falls) this.#attempts++;
    if (!this.#paused) this.#timer = setTimeout(() => this.#connect(), wait);
    if (greeted) this.#owner.down();
  }
}
