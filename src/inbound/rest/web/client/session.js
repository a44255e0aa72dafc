// The socket and its subscriptions, shared by all Pushi objects of one URL.
//
// After a reconnect each wire subscribes again from the last serial that was delivered, and the events of the response
// are delivered like live events.

// Maximum delay before a temporarily failed subscription is retried, in milliseconds; the delay is a random part of it.
const MOST_RETRY_WAIT = 30_000;
// Error codes for unavailable storage and exceeded rates.
const PASSING = [4320, 4301];
// The number of events that the server returns for a personal channel without `since`.
const INBOX = 10;
// Maximum size of the serials of a personal channel's aliases; a server's default message limit is 65,536 bytes.
const MOST_SINCE = 48_000;

const SESSIONS = new Map();

class Session {
  pushis = new Set();
  #wires = new Map();
  // Callbacks that await the response to an unsubscription, by channel, in order.
  #leaving = new Map();
  // Live frames received while an inbox is being fetched.
  #held = null;
  // The code of the last error without a channel: the reason why the server closes.
  #code = 0;
  // Resolves once this connection's token was sent; whether the server has accepted it; when the next one is due.
  #token = null;
  #accepted = false;
  #renewal;

  constructor(url, settings) {
    this.url = url;
    this.line = new Line(url, settings, this);
    this.post = new Post(this.line, this.#wires);
  }

  /** Returns the session of `url`, creating it if needed. */
  static of(url, settings) {
    if (!settings.share) return new Session(url, settings);
    if (!SESSIONS.has(url)) SESSIONS.set(url, new Session(url, settings));
    return SESSIONS.get(url);
  }

  join(pushi) {
    this.pushis.add(pushi);
    for (const channel of Object.values(pushi.channels)) if (channel._direct) this.hold(channel);
    this.line.open();
    // Deferred, so that the page can bind first.
    queueMicrotask(() => this.pushis.has(pushi) && this.line.socketId && pushi._up(this.line.socketId));
  }

  leave(pushi, error) {
    this.pushis.delete(pushi);
    this.post.give(error, (entry) => entry.pushi === pushi);
    for (const channel of Object.values(pushi.channels)) {
      const direct = channel._direct;
      this.release(channel, () => {});
      // Subscribed again if the session is reopened.
      channel._direct = direct;
    }
    pushi._down();
    if (this.pushis.size > 0) return Promise.resolve();
    if (SESSIONS.get(this.url) === this) SESSIONS.delete(this.url);
    clearTimeout(this.#renewal);
    return this.line.close();
  }

  #wire(channel) {
    const { name } = channel;
    if (!this.#wires.has(name)) this.#wires.set(name, new Wire(name));
    return this.#wires.get(name);
  }

  hold(channel, force) {
    const wire = this.#wire(channel);
    if (!wire.data || force) wire.inbox = wire.personal;
    const newest = Math.max(...[...wire.channels].map((other) => other._last ?? -1));
    wire.channels.add(channel);
    channel._direct = true;
    const known = wire.status === "on" && !force;
    if (known && newest >= 0) channel._last ??= newest;
    if (force || wire.status === "off" || wire.status === "failed" || channel._last < newest) this.#subscribe(wire);
    else if (known) queueMicrotask(() => wire.channels.has(channel) && !channel.subscribed && this.#tell(wire, [channel]));
  }

  #tell(wire, channels, data = wire.data) {
    for (const channel of channels) {
      // A handler of the previous one may have unsubscribed it.
      if (!channel._direct || !wire.channels.has(channel)) continue;
      if (wire.personal) channel.pushi._aliases(channel, data.alias);
      channel._subscribed(data);
    }
  }

  /** Adds an alias of a personal channel. Nothing is sent to the server. */
  holdAlias(channel) {
    this.#wire(channel).channels.add(channel);
    if (channel._last !== undefined) return;
    // Requests the current serial, from which a replay after a reconnect starts.
    const resolve = ({ events }) => (channel._last ??= events[0]?.serial ?? 0);
    this.post.publish({ channel: channel.name, skip: 0, count: 1, silent: true, resolve, reject() {} });
  }

  /** Removes a channel; `left(data)` is called once the server has confirmed, or at once if it needs no request. */
  release(channel, left) {
    const wire = this.#wires.get(channel.name);
    channel._direct = false;
    if (!wire) return queueMicrotask(left);
    if (wire.personal) channel.pushi._aliases(channel, []);
    if (channel._via.size === 0) wire.channels.delete(channel);
    const gone = new PushiError(`${channel.name} was unsubscribed`, { channel: channel.name });
    this.post.give(gone, (entry) => entry.pushi === channel.pushi && entry.channel === channel.name && !entry.socketId);
    if (wire.direct.length > 0) return queueMicrotask(left);
    const told = this.line.socketId && this.pushis.size > 0 && (wire.status === "on" || wire.status === "asking");
    clearTimeout(wire.timer);
    wire.status = "off";
    wire.data = undefined;
    if (wire.channels.size === 0) this.#wires.delete(wire.name);
    if (!told) return queueMicrotask(left);
    put(this.#leaving, wire.name, left);
    this.line.send({ event: "pusher:unsubscribe", data: { channel: wire.name } });
  }

  /** Removes a channel without a request to the server, as the original does. */
  forget(channel) {
    const wire = this.#wires.get(channel.name);
    channel._direct = false;
    channel._via.clear();
    wire?.channels.delete(channel);
    if (wire?.channels.size === 0) this.#wires.delete(channel.name);
  }

  async #subscribe(wire) {
    const { socketId } = this.line;
    if (!socketId || !isPossible(this.#wires.get(wire.base), wire.name)) return;
    const wanted = () => this.line.socketId === socketId && this.#wires.get(wire.name) === wire && wire.direct.length > 0;
    if (!wanted()) return;
    const fresh = wire.status !== "on";
    if (fresh) for (const channel of wire.direct) channel._waiting();
    let grant;
    if (NEEDS_AUTH.test(wire.name)) {
      if (fresh) wire.status = "signing";
      try {
        grant = wire.more ? wire.grant : await wire.direct[0].pushi._authorize(socketId, wire.name);
      } catch (error) {
        if (!wanted()) return;
        const refused = error instanceof PushiError ? error : new PushiError(`${wire.name}: ${error?.message ?? error}`);
        refused.channel = wire.name;
        refused.again ??= error?.again;
        this.#refuse(wire, refused);
        return this.#complain(refused);
      }
      if (!wanted()) return;
      wire.grant = grant;
    }
    if (fresh) wire.status = "asking";
    wire.since = this.#since(wire);
    const follow = wire.personal || undefined;
    this.line.send({ event: "pusher:subscribe", data: { channel: wire.name, ...grant, since: wire.since, paging: true, follow } });
  }

  /** Sends the page's token, once a connection; `null`: the page has none. */
  present() {
    const pushi = [...this.pushis].find(({ _settings: { token, getToken } }) => token || getToken);
    return pushi ? (this.#token ??= this.#sendToken(pushi._settings)) : null;
  }

  async #sendToken({ token, getToken }) {
    const { socketId } = this.line;
    try {
      const fresh = getToken ? await getToken() : token;
      if (socketId && this.line.socketId === socketId) this.line.send({ event: "pusher:token", data: { token: fresh } });
    } catch (error) {
      if (this.line.socketId === socketId) this.#renew(Math.random() * 5_000);
      throw Object.assign(new Error(`getToken failed (${error?.message ?? error})`), { again: true });
    }
  }

  /** Asks for another token after a while. */
  #renew(wait) {
    clearTimeout(this.#renewal);
    const renew = () => {
      this.#token = null;
      this.present()?.catch((error) => this.#complain(new PushiError(error.message)));
    };
    this.#renewal = setTimeout(renew, wait);
  }

  /** The server has accepted a token: the next one is due a minute before it expires, or after 80 % of a short time. */
  #tokenAccepted({ expires_in: seconds }) {
    this.#accepted = true;
    clearTimeout(this.#renewal);
    const renewable = [...this.pushis].some(({ _settings }) => _settings.getToken);
    if (renewable) this.#renew(1_000 * Math.max(seconds - 60, seconds * 0.8));
  }

  /** The token of a channel has expired: it is subscribed again with another one. */
  #tokenEnded(wire, error) {
    wire.status = "off";
    if (![...this.pushis].some(({ _settings }) => _settings.getToken)) return this.#refuse(wire, error);
    // The first of the channels asks for the token of all.
    if (this.#accepted) this.#token = null;
    this.#accepted = false;
    this.#subscribe(wire);
  }

  #since(wire) {
    if (wire.last === undefined || !wire.personal) return wire.last ?? "now";
    const each = { [wire.name]: wire.last };
    let room = MOST_SINCE;
    for (const { name, channels, last } of this.#wires.values()) {
      const aliases = [...channels].filter((channel) => channel._via.has(wire.name));
      if (last === undefined || aliases.length === 0) continue;
      room -= 3 * name.length + 24;
      if (room > 0) each[name] = last;
      for (const channel of room > 0 ? [] : aliases) {
        channel._last = undefined;
        channel._gap({ name, since: last, serial: last, events: [] });
      }
    }
    return each;
  }

  #refuse(wire, error) {
    if (wire.status === "on" && !wire.more) return;
    const again = error.again || PASSING.includes(error.code);
    wire.status = again ? "off" : "failed";
    for (const channel of wire.direct) channel._failed(error);
    this.post.give(error, (entry) => this.post.gate(entry.channel) === wire);
    if (!again) return;
    const wait = Math.random() * Math.min(MOST_RETRY_WAIT, 1_000 * 2 ** wire.retries++);
    wire.timer = setTimeout(() => wire.status === "off" && this.#subscribe(wire), wait);
  }

  async #accept(wire, data) {
    const { events, recovered, serial } = data;
    // A further page of missed events: the page knows that the channel is subscribed.
    const isNext = wire.more && recovered !== undefined;
    wire.more = Boolean(data.more);
    wire.status = "on";
    wire.retries = 0;
    wire.data = data;
    data.events = [];
    if (wire.since === "now" && recovered) for (const channel of wire.channels) channel._last ??= serial;
    // Without `recovered` it is not a response but a notification that the aliases changed.
    if (wire.inbox && recovered !== undefined) {
      for (const channel of wire.direct) channel.pushi._aliases(channel, data.alias);
      data.events = await this.#inbox(wire);
      if (wire.data !== data || wire.status !== "on") return;
      wire.inbox = false;
    }
    if (isNext) for (const channel of wire.direct) channel.data = data;
    this.#tell(wire, isNext ? wire.direct.filter((channel) => !channel.subscribed) : wire.direct);
    if (recovered !== undefined) this.#replay(wire, events, recovered, serial);
    if (wire.more) this.#subscribe(wire);
    const held = this.#held ?? [];
    this.#held = null;
    for (const frame of held) this.#live(frame);
    this.#subscribePeers(wire.name);
    this.post.flush();
  }

  #subscribePeers(presence) {
    for (const wire of this.#wires.values()) if (wire.base === presence && wire.status === "off") this.#subscribe(wire);
  }

  /** The newest events of the user's inbox for display, without those that are about to be delivered to handlers. */
  async #inbox(wire) {
    this.#held ??= [];
    const { events } = await new Promise((resolve) => {
      const reject = () => resolve({ events: [] });
      this.post.publish({ channel: wire.name, skip: 0, count: INBOX, silent: true, resolve, reject });
    });
    return events.filter((event) => !(event.serial > this.#wires.get(event.channel)?.last));
  }

  /** Delivers missed events. */
  #replay(wire, events, recovered, head) {
    const since = typeof wire.since === "object" ? wire.since : { [wire.name]: wire.since };
    for (const [name, from] of Object.entries(since)) {
      const missed = events.filter((event) => event.channel === name);
      const newest = name === wire.name ? head : (missed.at(-1)?.serial ?? from);
      // The server lost its serials, such as one that stores events in memory and was restarted.
      const anew = newest < from;
      const whole = !anew && missed.filter((event) => event.serial > from).length >= newest - from;
      const { channels = [], own } = this.#wires.get(name) ?? {};
      if (anew) own?.clear();
      for (const channel of channels) {
        if (anew) channel._last = 0;
        if (!recovered && (name === wire.name || !whole)) channel._gap({ name, since: from, serial: newest, events: missed });
      }
    }
    for (const event of events) {
      const { channel, mid, serial, timestamp, publish } = event;
      this.#deliver({ ...event.data, channel, mid, serial, timestamp, publish }, event);
    }
    for (const channel of wire.channels) if (!(channel._last >= head)) channel._last = head;
    if (!wire.more) this.post.lost((entry) => entry.channel in since);
  }

  #live(frame) {
    this.#deliver(frame);
    if (frame.event === "pusher:member_added") this.#subscribePeers(frame.channel);
  }

  #deliver(frame, replayed) {
    const mute = replayed && this.post.claim(replayed);
    for (const pushi of [...this.pushis]) pushi._receive(frame, Boolean(replayed), mute);
    const wire = this.#wires.get(frame.channel);
    if (wire?.own.size > 0) wire.pass();
  }

  #complain(error, pushi) {
    const all = [...this.pushis];
    const concerned = pushi ? [pushi] : all.filter((one) => one.channels[error.channel]);
    for (const one of concerned.length > 0 ? concerned : all) one._error(error);
  }

  // Callbacks of the line

  up() {
    this.#code = 0;
    this.present()?.catch((error) => this.#complain(new PushiError(error.message)));
    for (const pushi of [...this.pushis]) pushi._up(this.line.socketId);
    for (const wire of [...this.#wires.values()]) if (wire.status === "off") this.#subscribe(wire);
    this.post.flush();
  }

  down() {
    for (const wire of this.#wires.values()) {
      clearTimeout(wire.timer);
      wire.status = "off";
      wire.more = false;
    }
    this.#held = this.#token = null;
    this.#accepted = false;
    clearTimeout(this.#renewal);
    this.post.down();
    const leaving = [...this.#leaving.values()].flat();
    this.#leaving.clear();
    for (const left of leaving) left();
    for (const pushi of [...this.pushis]) pushi._down();
  }

  refused(code) {
    const error = new PushiError(`the server refused the connection with ${code}`, { code });
    if (this.#code !== code) this.#complain(error);
    this.post.give(error, () => true);
    for (const wire of this.#wires.values()) for (const channel of wire.channels) channel._failed(error);
    for (const pushi of [...this.pushis]) pushi._refused(error);
  }

  receive(frame) {
    const { event, channel, data } = frame;
    const wire = this.#wires.get(channel);
    const protocol = event.startsWith("pusher_internal:") && JSON.parse(data);
    switch (event) {
      case "pusher_internal:subscription_succeeded":
        // Responses arrive in the order of the requests: this one belongs to the subscription before.
        if (this.#leaving.has(channel)) break;
        if (wire?.status === "asking" || wire?.status === "on") this.#accept(wire, protocol);
        break;
      case "pusher_internal:unsubscription_succeeded":
        take(this.#leaving, channel)?.(protocol);
        break;
      case "pusher_internal:latest": {
        const entry = this.post.answered(channel);
        entry?.resolve(protocol);
        if (entry?.silent) return;
        for (const pushi of [...this.pushis]) pushi._latest(channel, protocol);
        break;
      }
      case "pusher_internal:published":
        this.post.stored(protocol);
        break;
      case "pusher_internal:token_accepted":
        this.#tokenAccepted(protocol);
        break;
      case "pusher:error":
        this.#failed(channel, data, wire);
        break;
      case "pusher:pong":
        return;
      default:
        return this.#held ? this.#held.push(frame) : this.#live(frame);
    }
    for (const pushi of [...this.pushis]) pushi._raw(frame);
  }

  #failed(channel, data, wire) {
    const error = new PushiError(data.message, { ...data, channel });
    const entry = this.post.failed(channel, data);
    entry?.reject(error);
    if (data.event === "pusher:subscribe" && wire && !this.#leaving.has(channel)) this.#refuse(wire, error);
    if (data.event === "pusher:token" && wire) this.#tokenEnded(wire, error);
    if (data.event === "pusher:unsubscribe") take(this.#leaving, channel)?.();
    if (!channel) this.#code = data.code;
    this.#complain(error, entry?.pushi);
  }
}
