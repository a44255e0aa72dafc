// The state of a channel on the socket that several Pushi objects share.

class Wire {
  // The Channel objects of this name, one for each Pushi object that uses it.
  channels = new Set();
  // `off`, `failed` (retried only on a new connection or by the page), `signing`, `asking`, `on`.
  status = "off";
  // The last request and its response.
  since = undefined;
  data = undefined;
  // Whether the page receives the newest events with the response (personal channels).
  inbox = false;
  // Serials of events that this client published without echo: a replay skips them.
  own = new Set();
  // Whether further missed events follow, in response to a next request with the same signature.
  more = false;
  grant = undefined;
  retries = 0;
  timer = undefined;

  constructor(name) {
    this.name = name;
    this.personal = name.startsWith("personal-");
    // A peer channel requires its presence channel, and is subscribed after it.
    this.base = name.startsWith("peer-") ? `presence-${name.slice(5, name.lastIndexOf(":"))}` : undefined;
  }

  /** The subscribed ones; the others are aliases. */
  get direct() {
    return [...this.channels].filter((channel) => channel._direct);
  }

  /** The lowest serial that a channel has delivered; `undefined`: new events only. */
  get last() {
    const serials = [...this.channels].map((channel) => channel._last).filter((serial) => serial !== undefined);
    return serials.length > 0 ? Math.min(...serials) : undefined;
  }

  /** Own events are never received live: they count as delivered once all earlier events have been. */
  pass() {
    for (const channel of this.channels) while (this.own.has(channel._last + 1)) channel._last++;
    for (const serial of this.own) if (serial <= this.last) this.own.delete(serial);
  }
}

/** Whether a peer channel can exist: two of its users are members of its presence channel. */
function isPossible(presence, name) {
  if (!presence) return true;
  const users = name.slice(name.lastIndexOf(":") + 1).split("&");
  return presence.status === "on" && users.filter((user) => Object.hasOwn(presence.data.members, user)).length > 1;
}
