// Events by name, and two small tools that the other parts share. The parts of this folder are put behind one another and
// served as one script, as ../mod.rs lists them: nothing is imported, and only Pushi, Channel and PushiError leave it.

// While handlers of a `connect` event run: its number, counted over all objects. 0 otherwise.
let connecting = 0;
let connects = 0;

/** What `error` events carry, and what promises are rejected with. */
class PushiError extends Error {
  constructor(message, { code = 0, channel = "", event = "", ref } = {}) {
    super(message);
    Object.assign(this, { name: "PushiError", code, channel, event, ref });
  }
}

/** A promise with its handles. Whoever works with callbacks alone leaves it unheard, which is no mistake of theirs. */
function defer() {
  const deferred = { done: false };
  deferred.promise = new Promise((resolve, reject) => {
    const settle = (how) => (value) => {
      deferred.done = true;
      how(value);
    };
    deferred.resolve = settle(resolve);
    deferred.reject = settle(reject);
  });
  deferred.promise.catch(() => {});
  return deferred;
}

/** Calls what a page gave. Its mistake is reported as usual, and is no reason to keep what happened from others. */
function call(self, handler, ...values) {
  try {
    handler.call(self, ...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

class Observable {
  #handlers = new Map();

  bind(event, handler, oneshot) {
    if (typeof handler !== "function") throw new TypeError(`bind("${event}", …): the handler is not a function`);
    const entry = { handler, oneshot: Boolean(oneshot), epoch: connecting };
    const entries = this.#handlers.get(event) ?? [];
    // Pages of the original bind in `connect`, which comes again after every reconnect.
    if (entries.some((known) => known.handler === handler && known.oneshot === entry.oneshot)) return this;
    this.#handlers.set(event, [...entries, entry]);
    return this;
  }

  unbind(event, handler) {
    this.#remove(event, (entry) => handler === undefined || entry.handler === handler);
    return this;
  }

  trigger(event, ...values) {
    for (const entry of this.#handlers.get(event) ?? []) {
      if (entry.gone) continue;
      if (entry.oneshot) this.#remove(event, (other) => other === entry);
      const outer = connecting;
      // What a callback given in `connect` binds was bound in `connect`, too.
      connecting ||= entry.epoch;
      call(this, entry.handler, event, ...values);
      connecting = outer;
    }
  }

  _bound(event) {
    return this.#handlers.has(event);
  }

  _names() {
    return [...this.#handlers.keys()];
  }

  /** Drops what was bound in earlier `connect` events: the page is about to bind it once more. */
  _rebind() {
    const epoch = connecting;
    for (const event of this._names()) this.#remove(event, (entry) => entry.epoch > 0 && entry.epoch < epoch);
  }

  #remove(event, which) {
    const entries = this.#handlers.get(event) ?? [];
    const kept = entries.filter((entry) => !which(entry) || !(entry.gone = true));
    if (kept.length > 0) this.#handlers.set(event, kept);
    else this.#handlers.delete(event);
  }
}
