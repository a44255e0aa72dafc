// Event handlers by name, and two functions that the other parts share. The files of this folder are concatenated and
// served as one script, in the order of ../script.rs: no imports, and only Pushi, Channel, Observable and PushiError are exported.

// The number of the `connect` event whose handlers are running, counted over all objects; 0 otherwise.
let connecting = 0;
let connects = 0;

/** The error of `error` events and of rejected promises. */
class PushiError extends Error {
  constructor(message, { code = 0, channel = "", event = "", ref } = {}) {
    super(message);
    Object.assign(this, { name: "PushiError", code, channel, event, ref });
  }
}

/** A promise with its `resolve` and `reject`. An unhandled rejection is not reported: callers may use callbacks. */
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

/** Calls a function of the page. An exception is reported as an uncaught error and does not stop other handlers. */
function call(self, handler, ...values) {
  try {
    handler.call(self, ...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Removes handlers of an event. */
function drop(target, event, which) {
  const kept = handlers(target).get(event)?.filter((entry) => !which(entry) || !(entry.gone = true));
  if (kept?.length > 0) handlers(target).set(event, kept);
  else handlers(target).delete(event);
}

/** The handlers of an object by event. No private member: pages copy the methods to prototypes of their own. */
function handlers(target) {
  return (target._handlers ??= new Map());
}

class Observable {
  bind(event, handler, oneshot) {
    if (typeof handler !== "function") throw new TypeError(`bind("${event}", …): the handler is not a function`);
    const entry = { handler, oneshot: Boolean(oneshot), epoch: connecting };
    const entries = handlers(this).get(event) ?? [];
    // Pages written for the original bind in `connect`, which is emitted again after every reconnect.
    if (entries.some((known) => known.handler === handler && known.oneshot === entry.oneshot)) return this;
    handlers(this).set(event, [...entries, entry]);
    return this;
  }

  unbind(event, handler) {
    drop(this, event, (entry) => handler === undefined || entry.handler === handler);
    return this;
  }

  trigger(event, ...values) {
    for (const entry of handlers(this).get(event) ?? []) {
      if (entry.gone) continue;
      if (entry.oneshot) drop(this, event, (other) => other === entry);
      const outer = connecting;
      // Handlers bound by a callback that was passed in `connect` count as bound in `connect`, too.
      connecting ||= entry.epoch;
      call(this, entry.handler, event, ...values);
      connecting = outer;
    }
  }

  _bound(event) {
    return handlers(this).has(event);
  }

  _names() {
    return [...handlers(this).keys()];
  }

  /** Removes handlers that were bound in earlier `connect` events: the page binds them again. */
  _rebind() {
    const epoch = connecting;
    for (const event of this._names()) drop(this, event, (entry) => entry.epoch > 0 && entry.epoch < epoch);
  }
}
