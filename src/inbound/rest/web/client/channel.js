// A channel of one Pushi object.

class Channel extends Observable {
  // The last serial that was delivered: later events are requested after a reconnect.
  _last = undefined;
  // Whether the page subscribed to it, and the personal channels of which it is an alias.
  _direct = false;
  _via = new Set();
  #ready = defer();
  #streams = new Set();

  constructor(pushi, name) {
    super();
    this.pushi = pushi;
    this.name = name;
    this.data = null;
    this.subscribed = false;
  }

  get ready() {
    return this.#ready.promise;
  }

  send(event, data, echo, persist) {
    return this.pushi.sendChannel(event, data, this.name, echo, persist);
  }

  latest(skip, count, callback) {
    return this.pushi.latest(this.name, skip, count, callback);
  }

  unsubscribe(callback) {
    return this.pushi.unsubscribe(this.name, callback);
  }

  /** Buffers events from this call on, not from the first `next()`, so that none in between is lost. */
  events(event) {
    const items = [];
    const takers = [];
    let over = false;
    const stream = {
      push: (item) => {
        if (event !== undefined && item.event !== event) return;
        if (takers.length > 0) takers.shift()({ value: item, done: false });
        else items.push(item);
      },
      end: () => {
        over = true;
        this.#streams.delete(stream);
        for (const take of takers.splice(0)) take({ value: undefined, done: true });
      },
    };
    this.#streams.add(stream);
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next() {
        if (items.length > 0) return Promise.resolve({ value: items.shift(), done: false });
        if (over) return Promise.resolve({ value: undefined, done: true });
        return new Promise((take) => takers.push(take));
      },
      return(value) {
        stream.end();
        items.length = 0;
        return Promise.resolve({ value, done: true });
      },
    };
  }

  _subscribed(data) {
    this.data = data;
    this.subscribed = true;
    this.#ready.resolve(this);
    this.pushi.trigger("subscribe", this.name, data);
    this.trigger("subscribe", data);
  }

  /** Marks the channel as subscribing, for the first time or again. */
  _waiting() {
    this.subscribed = false;
    if (this.#ready.done) this.#ready = defer();
  }

  _failed(error) {
    this.#ready.reject(error);
  }

  _gap(gap) {
    this.pushi.trigger("gap", this.name, gap);
    this.trigger("gap", gap);
  }

  _unsubscribed(data) {
    this.subscribed = false;
    this._over(new PushiError(`${this.name} was unsubscribed`, { channel: this.name }));
    this.pushi.trigger("unsubscribe", this.name, data);
    this.trigger("unsubscribe", data);
  }

  /** Ends delivery to this channel. */
  _over(error) {
    this.#ready.reject(error);
    for (const stream of this.#streams) stream.end();
  }

  _member(event, member) {
    const members = this.data?.members;
    if (members && event === "member_added") members[member.user_id] = member;
    else if (members) delete members[member.user_id];
    this.pushi.trigger(event, this.name, member);
    this.trigger(event, member);
  }

  _message({ event, data, channel, mid, serial, timestamp }) {
    this.trigger(event, data, mid, timestamp);
    for (const stream of this.#streams) stream.push({ event, data, channel, mid, serial, timestamp });
  }
}
