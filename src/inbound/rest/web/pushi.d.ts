// The types of pushi.mjs (a module) and of pushi.js (a classic script, which defines the global `Pushi`).

/** What `new Pushi(key, options)` takes. All of it may be left out in a page that loads the script from its server. */
export interface PushiOptions {
  /**
   * Where the server is: `ws://host:port/` or `wss://host/`; `http` and `https` mean the same.
   * Default: where this script came from.
   */
  baseUrl?: string | null | undefined;
  /** The same server over HTTP. A relative `authEndpoint` is looked for here where there is no page. Default: as `baseUrl`. */
  baseWebUrl?: string | null | undefined;
  /**
   * The longest wait before a further attempt to connect, in milliseconds. The first waits are shorter, and each is random,
   * so that the clients of a server that comes back do not all come at once. Default: 5000.
   */
  timeout?: number | null | undefined;
  /**
   * Your back end's address that signs for private, presence and personal channels: it is asked
   * `GET <authEndpoint>?socket_id=…&channel=…` and answers `{ "auth": …, "channel_data": … }`.
   */
  authEndpoint?: string | null | undefined;
  /** Headers for `authEndpoint`, or a function that answers them, or a promise of them. */
  authHeaders?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>) | null | undefined;
  /** Signs in place of `authEndpoint`. */
  authorizer?: Authorizer | null | undefined;
  /** The app's identifier. The client only keeps it. */
  appId?: string | null | undefined;
  /**
   * The app's secret: where neither `authEndpoint` nor `authorizer` gives an `auth`, the client signs itself. For programs
   * of yours, never for a page: whoever has the secret may do everything.
   */
  appSecret?: string | null | undefined;
  /**
   * Within so many milliseconds a connection is noticed to be dead: after two thirds of it without a word the server is
   * pinged. Default: 30000.
   */
  activityTimeout?: number | null | undefined;
  /** Whether a client that binds events and subscribes to nothing is subscribed to `global`. Default: true. */
  global?: boolean | null | undefined;
  /** Whether objects of the same key and `baseUrl` share one socket. Default: true. */
  share?: boolean | null | undefined;
  /** The class to connect with, where there is no global one: npm's `ws` in Node 20. */
  WebSocket?: (new (url: string) => any) | null | undefined;
}

/** What allows a socket to subscribe to a channel. */
export interface Grant {
  /** `<app key>:<hex of HMAC-SHA256 over "<socket_id>:<channel>", keyed with the app's secret>`. */
  auth?: string;
  /** Who this is on a presence channel: an object with a `user_id`, or a string of its JSON. */
  channel_data?: Member | string | null;
}

/** Signs `<socketId>:<channel>`; may answer a promise, and the `auth` alone as a string. */
export type Authorizer = (socketId: string, channel: string) => Grant | string | Promise<Grant | string>;

/** A user on a presence channel: what your back end gave as `channel_data`. */
export interface Member {
  user_id: string;
  /** With `true`, those users of the presence channel who say so share peer channels. */
  peer?: boolean;
  [name: string]: any;
}

/** An event of the history. */
export interface StoredEvent {
  /** Grows over all channels of the app. */
  id: number;
  /** The app's identifier. */
  instance: string;
  mid: string;
  channel: string;
  /** The socket that published it; `null`: a back end. */
  owner_id: string | null;
  /** Seconds since 1970. */
  timestamp: number;
  date: string;
  /** 1, 2, 3, … in each channel. */
  serial: number;
  /** Shared by the copies of one publish to several channels. */
  publish?: string;
  data: { channel: string; event: string; data: string; [name: string]: any };
}

/** What the server says of a channel. */
export interface ChannelState {
  name: string;
  /** Of a presence channel: everybody on it, by user id. Kept up to date in `channel.data`. */
  members: Record<string, Member>;
  /** Of a personal channel: the channels that the user follows. */
  alias: string[];
  /** Of `latest`, and of a personal channel that was just subscribed to: past events, newest first. */
  events: StoredEvent[];
  /** Of the answer to a subscription: whether nothing was missed, and the channel's newest serial. */
  recovered?: boolean;
  serial?: number;
}

/** Some events of a channel were missed and are no longer kept: load anew what you show of it. */
export interface Gap {
  /** The channel's name. */
  name: string;
  /** The last serial that was handed on. */
  since: number;
  /** The channel's newest serial. */
  serial: number;
  /** The newest events, oldest first. Handlers get those that they have not had, right after this. */
  events: StoredEvent[];
}

/** Where a published event was stored. */
export interface Stored {
  /** Its unique id. */
  mid: string;
  /** Its place in its channel: 1, 2, 3, … */
  serial: number;
  /** Seconds since 1970. */
  timestamp: number;
}

/** An event as `for await` gets it. */
export interface PushiEvent {
  event: string;
  /** The text that was published; where it was no text, its JSON. */
  data: string;
  channel: string;
  /** Its unique id, if it was persisted. */
  mid?: string;
  /** Its place in its channel, if it was persisted. */
  serial?: number;
  /** Seconds since 1970, if it was persisted. */
  timestamp?: number;
}

/** What went wrong: an error of the server, of the auth endpoint, or of the connection. */
export class PushiError extends Error {
  /** A code of the protocol, such as 4009 (not signed as it should be), or an HTTP status; 0: none. */
  readonly code: number;
  /** The channel that it is about; empty: none. */
  readonly channel: string;
  /** The event of the frame that it is about; empty: none. */
  readonly event: string;
}

// Written as methods, so that a handler may also declare what it knows better: a `mid` that is always there, or fewer
// arguments.
type Told<This, Values extends unknown[]> = { call(this: This, event: string, ...values: Values): unknown }["call"];

/** Handles an event of a channel, bound on a `Pushi` object. */
export type Handler = Told<Pushi, [data: string, channel: string, mid: string | undefined, timestamp: number | undefined]>;
/** Handles an event, bound on its channel. */
export type ChannelHandler = Told<Channel, [data: string, mid: string | undefined, timestamp: number | undefined]>;

/** A connection to a Pushi server, with automatic reconnects, and the channels subscribed to over it. */
export class Pushi {
  /**
   * Connects. Objects of the same key and server share one socket.
   *
   * ```js
   * var pushi = new Pushi("YOUR_APP_KEY");
   * pushi.bind("message", function (event, data) { console.log(data); });
   * ```
   */
  constructor(appKey: string, options?: PushiOptions);

  /** The app's public key. */
  readonly appKey: string;
  readonly options: PushiOptions;
  readonly url: string;
  readonly baseUrl: string;
  readonly baseWebUrl: string;
  readonly timeout: number;
  readonly authEndpoint: string | undefined;
  readonly appId: string | undefined;
  readonly appSecret: string | undefined;
  readonly state: "connected" | "disconnected";
  /** Identifies the connection to the server; another one after each reconnect. */
  readonly socketId: string | null;
  readonly socket: any;
  /** The channels subscribed to, by name. */
  readonly channels: Record<string, Channel>;

  /** Connected: now, and after each reconnect. */
  bind(event: "connect", handler: Told<this, []>, oneshot?: boolean): this;
  /** The connection was lost or closed. It comes back by itself unless `close()` was called. */
  bind(event: "disconnect", handler: Told<this, []>, oneshot?: boolean): this;
  /** A channel was subscribed to, or once more after a reconnect; or left; or its history came (`latest`). */
  bind(
    event: "subscribe" | "unsubscribe" | "latest",
    handler: Told<this, [channel: string, data: ChannelState]>,
    oneshot?: boolean,
  ): this;
  /** A user came to a presence channel with a first connection, or left it with the last. */
  bind(
    event: "member_added" | "member_removed",
    handler: Told<this, [channel: string, member: Member]>,
    oneshot?: boolean,
  ): this;
  /** Something went wrong; `channel` is empty where it belongs to none. */
  bind(event: "error", handler: Told<this, [error: PushiError, channel: string]>, oneshot?: boolean): this;
  /** Events of a channel were missed that the server does not have any more. */
  bind(event: "gap", handler: Told<this, [channel: string, gap: Gap]>, oneshot?: boolean): this;
  /**
   * Calls `handler(event, data, channel, mid, timestamp)` for each event of this name on any channel, with `this` being the
   * `Pushi` object. `mid` and `timestamp` (seconds) are there where the event was persisted.
   * @param oneshot Only the first time.
   */
  bind(
    event: string,
    handler: Told<this, [data: string, channel: string, mid: string | undefined, timestamp: number | undefined]>,
    oneshot?: boolean,
  ): this;
  /** Takes a handler back; without one, all of the event. */
  unbind(event: string, handler?: (...values: any[]) => unknown): this;
  /** Calls the handlers of an event with these values. Nothing is sent. */
  trigger(event: string, ...values: any[]): void;

  /**
   * Subscribes to a channel. It waits for the connection, and comes back by itself after a reconnect.
   * @param force Ask the server again, also where it is subscribed.
   * @param callback Called once with `("subscribe", data)` when it is subscribed.
   */
  subscribe(channel: string, force?: boolean | null, callback?: Told<Channel, [data: ChannelState]> | null): Channel;
  /** Unsubscribes; the callback is called with `("unsubscribe", data)`, and the promise resolves with `data`. */
  unsubscribe(channel: string, callback?: Told<Channel, [data: ChannelState]> | null): Promise<ChannelState | null | undefined>;
  /**
   * Asks for the channel's history, newest first; the callback is called with `("latest", data)`, and the promise resolves
   * with `data`.
   * @param skip How many to pass over. Default: 0.
   * @param count How many are wanted. Default: 10.
   */
  latest(
    channel: string,
    skip?: number | null,
    count?: number | null,
    callback?: Told<Channel, [data: ChannelState]> | null,
  ): Promise<ChannelState>;
  /**
   * Publishes to a channel that this client is on. It waits for the connection and for the subscription.
   * @param data A text, or anything that has JSON: the others get it as its JSON text.
   * @param echo Whether this client gets it, too. Default: false.
   * @param persist Whether it is stored. Default: true.
   * @returns Resolves once it is stored; with `persist` false once it was sent, with nothing. Rejects with the server's
   * error, or where the connection was lost and it cannot be told whether it was stored.
   */
  sendChannel(event: string, data: unknown, channel: string, echo: boolean | undefined, persist: false): Promise<undefined>;
  sendChannel(event: string, data: unknown, channel: string, echo?: boolean, persist?: true): Promise<Stored>;
  sendChannel(event: string, data: unknown, channel: string, echo?: boolean, persist?: boolean): Promise<Stored | undefined>;
  /** Sends a frame of the protocol that names no channel, such as `pusher:ping`. */
  sendEvent(event: string, data: unknown, echo?: boolean, persist?: boolean): Promise<undefined>;
  /** Forgets a channel, or all, without a word to the server: the next `subscribe` asks for it again. */
  invalidate(channel?: string): void;

  /** Connects after `close()`. The promise resolves, and the callback is called, once it is connected. */
  open(callback?: ((this: this) => unknown) | null): Promise<this>;
  /** Closes, and stays closed. A shared socket is closed when the last object that uses it is. */
  close(callback?: ((this: this) => unknown) | null): Promise<void>;
  /** Closes the socket and connects again. */
  reopen(callback?: ((this: this) => unknown) | null): Promise<this>;
  /** Connects as another app or to another server; options that are not given stay. */
  reconfig(appKey: string, options?: PushiOptions | null, callback?: ((this: this) => unknown) | null): Promise<this>;
  /** Another object on the same socket, with handlers and channels of its own; with `base` given, this one becomes that. */
  clone(base?: Pushi): Pushi;
}

/** A channel that was subscribed to. */
export class Channel {
  private constructor();

  readonly pushi: Pushi;
  readonly name: string;
  /** What the server said of it; `null` until it is subscribed. */
  readonly data: ChannelState | null;
  /** Whether the server has the subscription at present. */
  readonly subscribed: boolean;
  /** Resolves with the channel once it is subscribed, and rejects where that failed. After a disconnect it is a new one. */
  readonly ready: Promise<Channel>;

  /** Subscribed, or once more after a reconnect; or left; or the history came. */
  bind(event: "subscribe" | "unsubscribe" | "latest", handler: Told<this, [data: ChannelState]>, oneshot?: boolean): this;
  /** A user came or left. */
  bind(event: "member_added" | "member_removed", handler: Told<this, [member: Member]>, oneshot?: boolean): this;
  /** Something went wrong with this channel. */
  bind(event: "error", handler: Told<this, [error: PushiError]>, oneshot?: boolean): this;
  /** Events were missed that the server does not have any more. */
  bind(event: "gap", handler: Told<this, [gap: Gap]>, oneshot?: boolean): this;
  /** Calls `handler(event, data, mid, timestamp)` for each event of this name on this channel. */
  bind(
    event: string,
    handler: Told<this, [data: string, mid: string | undefined, timestamp: number | undefined]>,
    oneshot?: boolean,
  ): this;
  /** Takes a handler back; without one, all of the event. */
  unbind(event: string, handler?: (...values: any[]) => unknown): this;
  /** Calls the handlers of an event with these values. Nothing is sent. */
  trigger(event: string, ...values: any[]): void;

  /** Publishes here: see `Pushi.sendChannel`. */
  send(event: string, data: unknown, echo: boolean | undefined, persist: false): Promise<undefined>;
  send(event: string, data?: unknown, echo?: boolean, persist?: true): Promise<Stored>;
  send(event: string, data?: unknown, echo?: boolean, persist?: boolean): Promise<Stored | undefined>;
  /** Asks for the history, newest first: see `Pushi.latest`. */
  latest(
    skip?: number | null,
    count?: number | null,
    callback?: Told<Channel, [data: ChannelState]> | null,
  ): Promise<ChannelState>;
  /** Unsubscribes: see `Pushi.unsubscribe`. */
  unsubscribe(callback?: Told<Channel, [data: ChannelState]> | null): Promise<ChannelState | null | undefined>;
  /**
   * The events of this name, or all, from now on until the channel is unsubscribed or the client closed.
   *
   * ```js
   * for await (const { data } of channel.events("message")) console.log(data);
   * ```
   */
  events(event?: string): AsyncIterableIterator<PushiEvent>;
}

export default Pushi;

type PushiClass = typeof Pushi;
declare global {
  /** Defined by the classic script, `<script src="…/pushi.js">`. */
  var Pushi: PushiClass;
}
