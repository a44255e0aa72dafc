// The public interface: that of the original, with promises in addition to callbacks.

const DEFAULTS = { timeout: 5_000, activityTimeout: 30_000, global: true, share: true };

// Events of the client itself. Binding any other event implies a subscription.
const OWN = "connect disconnect subscribe unsubscribe latest member_added member_removed error gap".split(" ");

// Maximum number of remembered publish ids; copies of one publish to several channels share its id.
const MOST_SEEN = 1_000;

// The last object created for each key: its options are the defaults of the next object with the same key.
const LATEST = new Map();

/** A base URL in its normal form; empty: it is missing or invalid. */
function address(base) {
  try {
    return new URL(base, SCRIPT || globalThis.location?.href).href.replace(/^http/, "ws").replace(/\/?$/, "/");
  } catch {
    return "";
  }
}

class Pushi extends WebPush {
  static VERSION = VERSION;
  channels = Object.create(null);
  state = "disconnected";
  socketId = null;
  #session = null;
  #opened = defer();
  #asked = false;
  #seen = new Set();

  constructor(appKey, options) {
    super();
    const { global, ...shared } = (options?.share ?? DEFAULTS.share) ? (LATEST.get(appKey)?.options ?? {}) : {};
    this.#configure(appKey, { ...shared, ...options });
    this.open();
  }

  get socket() {
    return this.#session?.line.socket ?? null;
  }

  get transport() {
    return this.#session?.line.transport ?? null;
  }

  #configure(appKey, given) {
    if (!appKey) throw new TypeError("new Pushi(KEY): the app's key is missing");
    // `null` means the default, as in the original.
    const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null));
    // The npm package has no address: `SCRIPT` is null there.
    const baseUrl = options.baseUrl || SCRIPT !== null ? address(options.baseUrl ?? ".") : "";
    if (!baseUrl.startsWith("ws")) throw new TypeError("baseUrl is missing or invalid: new Pushi(KEY, { baseUrl: \"ws://127.0.0.1:8080/\" })");
    const settings = { WebSocket: globalThis.WebSocket, baseWebUrl: baseUrl.replace("ws", "http"), ...DEFAULTS, ...options, baseUrl };
    if (!settings.WebSocket) throw new TypeError("WebSocket is not available: pass one, new Pushi(KEY, { WebSocket })");
    this._settings = settings;
    const { timeout, baseWebUrl, authEndpoint, appId, appSecret } = settings;
    const url = baseUrl + encodeURIComponent(appKey);
    Object.assign(this, { appKey, options, url, timeout, baseUrl, baseWebUrl, authEndpoint, appId, appSecret });
  }

  reconfig(appKey, options, callback) {
    const { url } = this;
    this.#leave();
    this.#configure(appKey, { ...this.options, ...options });
    // Another app or server has different serials.
    if (this.url !== url) {
      this._forget();
      for (const channel of Object.values(this.channels)) channel._last = undefined;
    }
    return this.open(callback);
  }

  isValid(appKey, baseUrl) {
    return appKey === this.appKey && address(baseUrl) === this.baseUrl;
  }

  clone(base) {
    if (!base) return new Pushi(this.appKey, this.options);
    this.reconfig(base.appKey, base.options);
    return this;
  }

  open(callback) {
    if (this._settings.share) LATEST.set(this.appKey, this);
    this.#session ??= Session.of(this.url, this._settings);
    if (this.#session.pushis.has(this)) this.#session.line.open();
    else this.#session.join(this);
    return this.#then(this.#opened.promise, callback);
  }

  close(callback) {
    const error = new PushiError("closed: open() opens it again");
    for (const channel of Object.values(this.channels)) channel._over(error);
    this._refused(error);
    return this.#then(this.#leave(), callback);
  }

  reopen(callback) {
    if (!this.#session) return this.open(callback);
    this.#session.line.restart();
    return this.#then(this.#opened.promise, callback);
  }

  #leave() {
    if (LATEST.get(this.appKey) === this) LATEST.delete(this.appKey);
    const closed = this.#session?.leave(this, new PushiError("closed: open() opens it again"));
    this.#session = null;
    return closed ?? Promise.resolve();
  }

  #then(promise, callback, self = this, event = undefined) {
    const told = promise.then((value) => {
      if (callback) call(self, callback, ...(event ? [event, value] : []));
      return value;
    });
    told.catch(() => {});
    return told;
  }

  bind(event, handler, oneshot) {
    super.bind(event, handler, oneshot);
    this.#global();
    return this;
  }

  /** Subscribes to `global` if the page binds but never subscribes. Deferred, so that the page can still subscribe. */
  #global() {
    if (this.#asked || this._settings.global === false || this._names().every((name) => OWN.includes(name))) return;
    setTimeout(() => !this.#asked && this.state === "connected" && this.subscribe("global"));
  }

  subscribe(name, force, callback) {
    this.#asked = true;
    if (connecting) this.channels[name]?._rebind();
    const channel = this.ensureChannel(name);
    const there = channel._direct && channel.subscribed && !force;
    if (there && callback) queueMicrotask(() => call(channel, callback, "subscribe", channel.data));
    else if (callback) channel.bind("subscribe", callback, true);
    channel._direct = true;
    if (!there) this.#session?.hold(channel, force);
    return channel;
  }

  ensureChannel(name) {
    return (this.channels[name] ??= new Channel(this, name));
  }

  unsubscribe(name, callback) {
    const channel = this.channels[name];
    if (!channel) return Promise.resolve();
    const deferred = defer();
    const left = (data = channel.data) => {
      if (channel._via.size === 0) channel._unsubscribed(data);
      deferred.resolve(data);
    };
    if (this.#session) this.#session.release(channel, left);
    else queueMicrotask(left);
    if (channel._via.size === 0) delete this.channels[name];
    return this.#then(deferred.promise, callback, channel, "unsubscribe");
  }

  invalidate(name) {
    for (const channel of name ? [this.channels[name]] : Object.values(this.channels)) {
      if (!channel) continue;
      this.#session?.forget(channel);
      delete this.channels[channel.name];
      channel._over(new PushiError(`${channel.name} was invalidated`, { channel: channel.name }));
    }
  }

  latest(name, skip, count, callback) {
    if (name.startsWith("peer-")) this.ensureChannel(name);
    const channel = this.channels[name];
    const deferred = defer();
    if (!this.#session || !channel) deferred.reject(new PushiError(`${name} is not subscribed`, { channel: name }));
    else this.#session.post.publish({ pushi: this, channel: name, skip: skip || 0, count: count || 10, ...deferred });
    return this.#then(deferred.promise, callback, channel, "latest");
  }

  sendEvent(event, data, echo = false, persist = true) {
    return this.send({ event, data, echo, persist });
  }

  sendChannel(event, data, channel, echo = false, persist = true) {
    // The form in which other clients receive it.
    if (typeof data !== "string") data = JSON.stringify(data) ?? "null";
    return this.send({ event, data, channel, echo, persist });
  }

  send(json) {
    const frame = { ...json };
    const deferred = defer();
    if (this.#session) this.#session.post.publish({ pushi: this, channel: frame.channel, frame, ...deferred });
    else deferred.reject(new PushiError("closed: open() opens it again"));
    return deferred.promise;
  }

  async _authorize(socketId, name) {
    const presented = this.#session?.present();
    if (presented) return presented;
    const { authEndpoint, appSecret } = this;
    return authorize({ ...this._settings, authEndpoint, appSecret }, this.appKey, socketId, name);
  }

  _up(socketId) {
    if (this.state === "connected") return;
    this.state = "connected";
    this.socketId = socketId;
    this.#opened.resolve(this);
    connecting = ++connects;
    this.trigger("connect");
    connecting = 0;
    this.#global();
  }

  _down() {
    if (this.state === "disconnected") return;
    this.state = "disconnected";
    this.socketId = null;
    this.#opened = defer();
    for (const channel of Object.values(this.channels)) channel._waiting();
    this.trigger("disconnect");
  }

  _refused(error) {
    this.#opened.reject(error);
    this.#opened = defer();
  }

  _error(error) {
    const channel = this.channels[error.channel];
    // Also logged, so that the console shows the reason.
    if (!this._bound("error") && !channel?._bound("error")) console.warn(`Pushi: ${error.message}`);
    this.trigger("error", error, error.channel);
    channel?.trigger("error", error);
  }

  /** Adds and removes the channels that are aliases of a personal channel. */
  _aliases(personal, names) {
    for (const name of names) {
      const channel = this.ensureChannel(name);
      channel._via.add(personal.name);
      this.#session.holdAlias(channel);
      if (!channel.subscribed) channel._subscribed({ name, members: {}, alias: [], events: [] });
    }
    for (const channel of Object.values(this.channels)) {
      if (names.includes(channel.name) || !channel._via.delete(personal.name)) continue;
      if (channel._direct || channel._via.size > 0) continue;
      this.#session.forget(channel);
      delete this.channels[channel.name];
      channel._unsubscribed(channel.data);
    }
  }

  _latest(name, data) {
    this.trigger("latest", name, data);
    this.channels[name]?.trigger("latest", data);
  }

  /** Emits protocol frames as events under their own names, as the original does. */
  _raw({ event, channel: name, data }) {
    if (!this.channels[name]) return;
    this.trigger(event, data, name);
    this.channels[name]?.trigger(event, data);
  }

  _receive(frame, replayed, mute) {
    const { event, data, channel: name, mid, serial, timestamp, publish } = frame;
    const channel = this.channels[name];
    if (!channel && !name?.startsWith("peer-")) return;
    if (channel && serial !== undefined) {
      if (replayed && !(serial > channel._last)) return;
      channel._last = Math.max(channel._last ?? 0, serial);
    }
    if (mute) return;
    if (event === "pusher:member_added" || event === "pusher:member_removed") {
      channel?._member(event.slice(7), JSON.parse(frame.member));
      return this._raw(frame);
    }
    if (!this.#copy(publish)) this.trigger(event, data, name, mid, timestamp);
    channel?._message(frame);
  }

  #copy(publish) {
    if (publish === undefined || this.#seen.has(publish)) return publish !== undefined;
    this.#seen.add(publish);
    if (this.#seen.size > MOST_SEEN) this.#seen.delete(this.#seen.values().next().value);
    return false;
  }
}
