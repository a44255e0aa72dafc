// One socket that is kept up: connecting, reconnecting, noticing that nobody is there any more.

// An attempt that has not been greeted after so long is given up, in milliseconds.
const GREETING_TIMEOUT = 10_000;
// The first wait before a further attempt is a random part of this; each next one of twice as much.
const FIRST_WAIT = 500;
// A connection that lived for so long was a good one: waiting begins anew after it.
const SETTLED = 5_000;
// A server that closes each connection at once with 4200 is obeyed so many times in a row.
const MOST_AT_ONCE = 5;
// How long a ping may stay unanswered where something hints that the connection is gone.
const SHORT_GRACE = 5_000;

class Line {
  socket = null;
  socketId = null;
  #settings;
  #owner;
  #open = false;
  #paused = false;
  #attempts = 0;
  #greeted = 0;
  #heard = 0;
  #unanswered = false;
  #timer;

  /** `owner` is told by `up()`, `down(code)`, `refused(code)` and `receive(frame)`. */
  constructor(url, settings, owner) {
    this.url = url;
    this.#settings = settings;
    this.#owner = owner;
  }

  open() {
    if (this.#open) return;
    this.#open = true;
    this.#paused = false;
    this.#watch("addEventListener");
    this.#connect();
  }

  /** Ends it for good; the promise resolves once the socket is closed. */
  close() {
    this.#end();
    const socket = this.#detach();
    if (!socket) return Promise.resolve();
    return new Promise((resolve) => {
      // Over a dead network the closing handshake would take minutes.
      const timer = setTimeout(resolve, 1_000);
      socket.onclose = () => {
        clearTimeout(timer);
        resolve();
      };
      socket.close();
    });
  }

  /** A new socket in place of this one. */
  restart() {
    if (!this.#open) return this.open();
    this.#attempts = 0;
    if (this.socket) this.#lost(4200);
    else this.#wake();
  }

  send(frame) {
    this.socket.send(JSON.stringify(frame));
  }

  /** Of the window and the document: offline, online, back from the background. */
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
    if (!this.socket) this.#connect();
    else if (this.socketId) this.#ping(SHORT_GRACE);
  }

  #connect() {
    clearTimeout(this.#timer);
    if (!this.#open || this.#paused) return;
    const socket = new this.#settings.WebSocket(this.url);
    this.socket = socket;
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = ({ code }) => this.#lost(code);
    // Not every runtime sends a close event after an attempt that failed.
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
    this.#beat();
    this.#owner.up();
  }

  /** Pings after two thirds of the activity time without a word, so that all of it is over when no answer came. */
  #beat() {
    const due = (this.#settings.activityTimeout * 2) / 3;
    // A clock that was set back must not stretch the wait.
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
    // npm's ws throws what nobody listens for.
    socket.onerror = () => {};
    return socket;
  }

  #lost(code) {
    clearTimeout(this.#timer);
    const greeted = this.socketId !== null;
    const socket = this.#detach();
    // Half open, it would linger: nobody answers its closing handshake. Only npm's ws can cut it.
    if (socket.readyState < 2) socket.terminate ? socket.terminate() : socket.close();
    if (greeted && Date.now() - this.#greeted > SETTLED) this.#attempts = 0;
    if (code > 4000 && code < 4100) {
      this.#end();
      if (greeted) this.#owner.down();
      return this.#owner.refused(code);
    }
    const most = Math.min(this.#settings.timeout, FIRST_WAIT * 2 ** this.#attempts);
    const wait = code === 4200 && this.#attempts < MOST_AT_ONCE ? 0 : Math.random() * most;
    this.#attempts++;
    if (!this.#paused) this.#timer = setTimeout(() => this.#connect(), wait);
    if (greeted) this.#owner.down();
  }
}
