// What is known of a channel on the socket that several Pushi objects share.

class Wire {
  // The Channel objects of this name, one for each Pushi object that has it.
  channels = new Set();
  // `off`, `failed` (nothing but a new connection or the page's wish tries again), `signing`, `asking`, `on`.
  status = "off";
  // What was asked for last, and what was answered.
  since = undefined;
  data = undefined;
  // Whether the page is to get the last events with the answer (personal channels).
  inbox = false;
  // Serials of what this client published without echo: its handlers must not see them in a replay.
  own = new Set();
  retries = 0;
  timer = undefined;

  constructor(name) {
    this.name = name;
    this.personal = name.startsWith("personal-");
    // A peer channel follows from its presence channel, and is to be had only after it.
    this.base = name.startsWith("peer-") ? `presence-${name.slice(5, name.lastIndexOf(":"))}` : undefined;
  }

  /** Those that were subscribed to; the others are aliases. */
  get direct() {
    return [...this.channels].filter((channel) => channel._direct);
  }

  /** From where on somebody wants events; `undefined`: from now on. */
  get last() {
    const serials = [...this.channels].map((channel) => channel._last).filter((serial) => serial !== undefined);
    return serials.length > 0 ? Math.min(...serials) : undefined;
  }

  /** Own events never come live: they count as handed on as soon as all before them have been. */
  pass() {
    for (const channel of this.channels) while (this.own.has(channel._last + 1)) channel._last++;
    for (const serial of this.own) if (serial <= this.last) this.own.delete(serial);
  }
}
