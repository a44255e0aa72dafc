// Publishes and history requests: those queued for sending, and those sent and awaiting a response.
//
// A publish is `{ pushi, channel, frame, resolve, reject }`, a history request `{ channel, skip, count, … }`; a
// `silent` one is made by the client itself.

function put(map, key, value) {
  map.set(key, [...(map.get(key) ?? []), value]);
}

function take(map, key) {
  const [first, ...rest] = map.get(key) ?? [];
  if (rest.length > 0) map.set(key, rest);
  else map.delete(key);
  return first;
}

class Post {
  #waiting = [];
  #sent = new Map();
  #asked = new Map();
  #references = 0;
  #line;
  #wires;

  constructor(line, wires) {
    this.#line = line;
    this.#wires = wires;
  }

  /** Sends an entry, or queues it until its channel is subscribed, so that it does not overtake the subscription. */
  publish(entry) {
    if (this.#ready(entry.channel)) this.#send(entry);
    else this.#waiting.push(entry);
  }

  flush() {
    for (const entry of this.#waiting.splice(0)) this.publish(entry);
  }

  /** Returns the wire that must be subscribed before a channel can be written to. */
  gate(name = "") {
    return this.#wires.get(name) ?? this.#wires.get(new Wire(name).base);
  }

  #ready(name) {
    if (!this.#line.socketId) return false;
    const gate = this.gate(name);
    if (!gate || gate.status === "on" || gate.status === "failed") return true;
    return [...gate.channels].some((channel) => [...channel._via].some((by) => this.#wires.get(by)?.status === "on"));
  }

  #send(entry) {
    const { channel, frame, skip, count } = entry;
    if (!frame) {
      put(this.#asked, channel, entry);
      return this.#line.send({ event: "pusher:latest", data: { channel, skip, count } });
    }
    const acknowledged = frame.persist && channel !== undefined;
    if (acknowledged) frame.ref = String(++this.#references);
    this.#line.send(frame);
    entry.socketId = this.#line.socketId;
    if (acknowledged) this.#sent.set(frame.ref, entry);
    else entry.resolve();
  }

  stored({ ref, mid, serial, timestamp }) {
    const entry = this.#sent.get(ref);
    if (!entry) return;
    this.#sent.delete(ref);
    const wire = this.#wires.get(entry.channel);
    if (wire && !entry.frame.echo) {
      wire.own.add(serial);
      wire.pass();
    }
    entry.resolve({ mid, serial, timestamp });
  }

  /** Responses arrive in the order of the requests. */
  answered(channel) {
    return take(this.#asked, channel);
  }

  /** Returns the entry that an error refers to. */
  failed(channel, { ref, event }) {
    const entry = this.#sent.get(ref) ?? (event === "pusher:latest" ? this.answered(channel) : undefined);
    this.#sent.delete(ref);
    return entry;
  }

  /** Whether handlers must skip a replayed event of this client. Resolves its publish if that is still pending. */
  claim({ owner_id, channel, mid, serial, timestamp, data }) {
    for (const [ref, { frame, socketId, resolve }] of this.#sent) {
      if (socketId !== owner_id || frame.channel !== channel) continue;
      if (frame.event !== data.event || frame.data !== data.data) continue;
      this.#sent.delete(ref);
      resolve({ mid, serial, timestamp });
      return !frame.echo;
    }
    return this.#wires.get(channel)?.own.has(serial);
  }

  /** Handles a lost connection. Publishes on a channel that will be replayed may still be confirmed by the replay. */
  down() {
    const asked = [...this.#asked.values()].flat();
    this.#asked.clear();
    this.#waiting.unshift(...asked.filter((entry) => !entry.silent));
    this.lost((entry) => this.#wires.get(entry.channel)?.last === undefined);
  }

  /** Fails the entries sent over an earlier socket: it is unknown whether they arrived. */
  lost(which) {
    const error = new PushiError("the connection was lost before this was acknowledged: it may or may not have been stored");
    this.give(error, (entry) => entry.socketId && entry.socketId !== this.#line.socketId && which(entry));
  }

  give(error, which) {
    const given = this.#waiting.filter(which);
    this.#waiting = this.#waiting.filter((entry) => !which(entry));
    for (const [ref, entry] of this.#sent) if (which(entry) && this.#sent.delete(ref)) given.push(entry);
    for (const entry of given) entry.reject(error);
  }
}
