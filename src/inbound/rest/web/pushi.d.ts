// The types of pushi.mjs (a module) and of pushi.js (a classic script, which defines the global `Pushi`).

/** The options of `new Pushi(key, options)`. All are optional in a page that loads the script from its server. */
export interface PushiOptions {
  /**
   * The server's address: `ws://host:port/` or `wss://host/`; `http` and `https` mean the same.
   * Default: the address that this script was loaded from; the npm package has none, and resolves a relative one in the page.
   */
  baseUrl?: string | null | undefined;
  /**
   * The server's HTTP address, for `login` and Web Push; also resolves a relative `authEndpoint` outside a page. Default: derived
   * from `baseUrl`.
   */
  baseWebUrl?: string | null | undefined;
  /**
   * Maximum delay before a reconnect attempt, in milliseconds. The first delays are shorter, and each is random,
   * so that clients do not all reconnect at once after a server restart. Default: 5000.
   */
  timeout?: number | null | undefined;
  /**
   * The endpoint of your back end that signs for private, presence and personal channels: it receives
   * `GET <authEndpoint>?socket_id=…&channel=…` and responds `{ "auth": …, "channel_data": … }`.
   */
  authEndpoint?: string | null | undefined;
  /** Headers for `authEndpoint`, or a function that returns them or a promise of them. */
  authHeaders?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>) | null | undefined;
  /** Signs in place of `authEndpoint`. */
  authorizer?: Authorizer | null | undefined;
  /**
   * A token of the user (a JSON Web Token) that your back end has signed, in place of `authEndpoint` and `authorizer`: the channels that
   * its claims cover need no other signature.
   */
  token?: string | null | undefined;
  /**
   * Returns a token, or a promise of one. Called once for each connection and again before the token expires, however many channels
   * there are. Objects that share a socket share its token.
   */
  getToken?: (() => string | Promise<string>) | null | undefined;
  /** The app's identifier, for `login`. */
  appId?: string | null | undefined;
  /**
   * The app's secret, for `login`; without `authEndpoint` and `authorizer` the client signs with it, too. For trusted
   * programs, never for a public page: the secret grants full access to the app.
   */
  appSecret?: string | null | undefined;
  /**
   * Time in which a dead connection is detected, in milliseconds: after two thirds of it without a frame the server is
   * pinged. Default: 30000.
   */
  activityTimeout?: number | null | undefined;
  /** Whether a client that binds events but subscribes to no channel is subscribed to `global`. Default: true. */
  global?: boolean | null | undefined;
  /** Whether objects with the same key and `baseUrl` share one socket. Default: true. */
  share?: boolean | null | undefined;
  /** The WebSocket class to use if there is no global one, such as npm's `ws` in Node 20. */
  WebSocket?: (new (url: string) => any) | null | undefined;
}

/** The authorization of a socket to subscribe to a channel. */
export interface Grant {
  /** `<app key>:<hex of HMAC-SHA256 over "<socket_id>:<channel>", keyed with the app's secret>`. */
  auth?: string;
  /** The member of a presence channel: an object with a `user_id`, or its JSON as a string. */
  channel_data?: Member | string | null;
}

/** Signs `<socketId>:<channel>`; may return a promise, and the `auth` alone as a string. */
export type Authorizer = (socketId: string, channel: string) => Grant | string | Promise<Grant | string>;

/** A user on a presence channel: the `channel_data` of your back end. */
export interface Member {
  user_id: string;
  /** Users of the presence channel for which this is `true` share peer channels. */
  peer?: boolean;
  [name: string]: any;
}

/** An event of the history. */
export interface StoredEvent {
  /** Increases over all channels of the app. */
  id: number;
  /** The app's identifier. */
  instance: string;
  mid: string;
  channel: string;
  /** The id of the socket that published it; `null`: published by a back end. */
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

/** The server's data about a channel. */
export interface ChannelState {
  name: string;
  /** Of a presence channel: its members, by user id. Kept up to date in `channel.data`. */
  members: Record<string, Member>;
  /** Of a personal channel: the channels that the user is subscribed to. */
  alias: string[];
  /** Of `latest`, and of a new subscription to a personal channel: past events, newest first. */
  events: StoredEvent[];
  /** Of the response to a subscription: whether all missed events were replayed, and the channel's newest serial. */
  recovered?: boolean;
  serial?: number;
  /**
   * Whether events were left out because the response would be too large. After a subscription the client requests them by
   * itself; after `latest`, `skip` those that were received.
   */
  more?: boolean;
}

/** Some events of a channel were missed and are no longer stored: reload the state that the page derives from them. */
export interface Gap {
  /** The channel's name. */
  name: string;
  /** The last serial that was delivered to handlers. */
  since: number;
  /** The channel's newest serial. */
  serial: number;
  /** The newest events, oldest first. Those not yet delivered are passed to the handlers right after this. */
  events: StoredEvent[];
}

/** The position of a stored event. */
export interface Stored {
  /** Its unique id. */
  mid: string;
  /** Its serial in its channel: 1, 2, 3, … */
  serial: number;
  /** Seconds since 1970. */
  timestamp: number;
}

/** An event as yielded by `for await`. */
export interface PushiEvent {
  event: string;
  /** The published text, or the JSON of other data. */
  data: string;
  channel: string;
  /** Its unique id, if it was persisted. */
  mid?: string;
  /** Its serial in its channel, if it was persisted. */
  serial?: number;
  /** Seconds since 1970, if it was persisted. */
  timestamp?: number;
}

/** An error of the server, of the auth endpoint, or of the connection. */
export class PushiError extends Error {
  /** A code of the protocol, such as 4009 (missing or invalid signature), or an HTTP status; 0: none. */
  readonly code: number;
  /** The channel that it refers to; empty: none. */
  readonly channel: string;
  /** The event of the frame that it refers to; empty: none. */
  readonly event: string;
}

// Written as methods, so that a handler may declare narrower parameters, such as a `mid` that is always set, or fewer
// parameters.
type Told<This, Values extends unknown[]> = { call(this: This, event: string, ...values: Values): unknown }["call"];

/** Handles an event of a channel, bound on a `Pushi` object. */
export type Handler = Told<Pushi, [data: string, channel: string, mid: string | undefined, timestamp: number | undefined]>;
/** Handles an event, bound on its channel. */
export type ChannelHandler = Told<Channel, [data: string, mid: string | undefined, timestamp: number | undefined]>;

/** Event handlers by name: the base of `Pushi` and `Channel`, for classes of your own. */
export class Observable {
  /**
   * Calls `handler(event, ...values)` for each `trigger` of the event, with `this` set to the object.
   * @param oneshot Call it only once.
   */
  bind(event: string, handler: (event: string, ...values: any[]) => unknown, oneshot?: boolean): this;
  /** Removes a handler; without one, all handlers of the event. */
  unbind(event: string, handler?: (...values: any[]) => unknown): this;
  /** Calls the handlers of an event with these values. */
  trigger(event: string, ...values: any[]): void;
}

/** A connection to a Pushi server, with automatic reconnects, and the channels subscribed to over it. */
export class Pushi {
  /** The version of the server that served this script. */
  static readonly VERSION: string;

  /**
   * Connects. Objects with the same key and server share one socket.
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
  /** The server's id of the connection; changes with each reconnect. */
  readonly socketId: string | null;
  readonly socket: any;
  /** How frames travel: `stream` over plain HTTP after three failed WebSockets, until a WebSocket is possible. */
  readonly transport: "websocket" | "stream" | null;
  /** The channels subscribed to, by name. */
  readonly channels: Record<string, Channel>;
  /** Whether `login` has succeeded. To be set by a page that has a session cookie already. */
  authenticated: boolean;

  /** Connected, for the first time or after a reconnect. */
  bind(event: "connect", handler: Told<this, []>, oneshot?: boolean): this;
  /** The connection was lost or closed. The client reconnects unless `close()` was called. */
  bind(event: "disconnect", handler: Told<this, []>, oneshot?: boolean): this;
  /** A channel was subscribed (again after each reconnect) or unsubscribed, or its history was received (`latest`). */
  bind(
    event: "subscribe" | "unsubscribe" | "latest",
    handler: Told<this, [channel: string, data: ChannelState]>,
    oneshot?: boolean,
  ): this;
  /** A user joined a presence channel with the first connection, or left it with the last. */
  bind(
    event: "member_added" | "member_removed",
    handler: Told<this, [channel: string, member: Member]>,
    oneshot?: boolean,
  ): this;
  /** An error occurred; `channel` is empty if it refers to none. */
  bind(event: "error", handler: Told<this, [error: PushiError, channel: string]>, oneshot?: boolean): this;
  /** `login` has succeeded. */
  bind(event: "login", handler: Told<this, [answer: { token: string }]>, oneshot?: boolean): this;
  /** Events of a channel were missed that the server no longer stores. */
  bind(event: "gap", handler: Told<this, [channel: string, gap: Gap]>, oneshot?: boolean): this;
  /**
   * Calls `handler(event, data, channel, mid, timestamp)` for each event of this name on any channel, with `this` set to the
   * `Pushi` object. `mid` and `timestamp` (seconds) are set if the event was persisted.
   * @param oneshot Call it only once.
   */
  bind(
    event: string,
    handler: Told<this, [data: string, channel: string, mid: string | undefined, timestamp: number | undefined]>,
    oneshot?: boolean,
  ): this;
  /** Removes a handler; without one, all handlers of the event. */
  unbind(event: string, handler?: (...values: any[]) => unknown): this;
  /** Calls the handlers of an event with these values. Nothing is sent. */
  trigger(event: string, ...values: any[]): void;

  /**
   * Subscribes to a channel, once connected and again after each reconnect.
   * @param force Send the request even if the channel is subscribed.
   * @param callback Called once with `("subscribe", data)` when it is subscribed.
   */
  subscribe(channel: string, force?: boolean | null, callback?: Told<Channel, [data: ChannelState]> | null): Channel;
  /** Unsubscribes; the callback is called with `("unsubscribe", data)`, and the promise resolves with `data`. */
  unsubscribe(channel: string, callback?: Told<Channel, [data: ChannelState]> | null): Promise<ChannelState | null | undefined>;
  /**
   * Requests the channel's history, newest first; the callback is called with `("latest", data)`, and the promise resolves
   * with `data`.
   * @param skip Number of events to skip. Default: 0.
   * @param count Maximum number of events. Default: 10.
   */
  latest(
    channel: string,
    skip?: number | null,
    count?: number | null,
    callback?: Told<Channel, [data: ChannelState]> | null,
  ): Promise<ChannelState>;
  /**
   * Publishes to a channel that this client is subscribed to, once the connection and the subscription are established.
   * @param data A text, or any value with a JSON form: other clients receive the JSON text.
   * @param echo Whether this client also receives it. Default: false.
   * @param persist Whether it is stored. Default: true.
   * @returns Resolves once it is stored; with `persist` false once it was sent, without a value. Rejects with the server's
   * error, or if the connection was lost and it is unknown whether it was stored.
   */
  sendChannel(event: string, data: unknown, channel: string, echo: boolean | undefined, persist: false): Promise<undefined>;
  sendChannel(event: string, data: unknown, channel: string, echo?: boolean, persist?: true): Promise<Stored>;
  sendChannel(event: string, data: unknown, channel: string, echo?: boolean, persist?: boolean): Promise<Stored | undefined>;
  /** Sends a protocol frame without a channel, such as `pusher:ping`. */
  sendEvent(event: string, data: unknown, echo?: boolean, persist?: boolean): Promise<undefined>;
  /** Sends a frame of your own making, once the connection is established. */
  send(json: Record<string, unknown>): Promise<Stored | undefined>;
  /** Returns a channel's object, without a subscription if there is none. */
  ensureChannel(channel: string): Channel;
  /** Removes a channel, or all, without a request to the server: the next `subscribe` requests it again. */
  invalidate(channel?: string): void;

  /** Connects after `close()`. The promise resolves, and the callback is called, once it is connected. */
  open(callback?: ((this: this) => unknown) | null): Promise<this>;
  /** Closes permanently. A shared socket is closed with the last object that uses it. */
  close(callback?: ((this: this) => unknown) | null): Promise<void>;
  /** Closes the socket and connects again. */
  reopen(callback?: ((this: this) => unknown) | null): Promise<this>;
  /** Connects as another app or to another server; omitted options keep their values. */
  reconfig(appKey: string, options?: PushiOptions | null, callback?: ((this: this) => unknown) | null): Promise<this>;
  /** Whether this object connects as this app to this server. */
  isValid(appKey: string, baseUrl: string): boolean;
  /** Another object on the same socket, with its own handlers and channels; with `base`, this object becomes a clone of it. */
  clone(base?: Pushi): Pushi;
}

/** A channel of a client. */
export class Channel {
  private constructor();

  readonly pushi: Pushi;
  readonly name: string;
  /** The server's data about it; `null` until it is subscribed. */
  readonly data: ChannelState | null;
  /** Whether it is currently subscribed on the server. */
  readonly subscribed: boolean;
  /** Resolves with the channel once it is subscribed, and rejects if that fails. Replaced after a disconnect. */
  readonly ready: Promise<Channel>;

  /** It was subscribed (again after each reconnect) or unsubscribed, or its history was received. */
  bind(event: "subscribe" | "unsubscribe" | "latest", handler: Told<this, [data: ChannelState]>, oneshot?: boolean): this;
  /** A user joined or left. */
  bind(event: "member_added" | "member_removed", handler: Told<this, [member: Member]>, oneshot?: boolean): this;
  /** An error occurred on this channel. */
  bind(event: "error", handler: Told<this, [error: PushiError]>, oneshot?: boolean): this;
  /** Events were missed that the server no longer stores. */
  bind(event: "gap", handler: Told<this, [gap: Gap]>, oneshot?: boolean): this;
  /** Calls `handler(event, data, mid, timestamp)` for each event of this name on this channel. */
  bind(
    event: string,
    handler: Told<this, [data: string, mid: string | undefined, timestamp: number | undefined]>,
    oneshot?: boolean,
  ): this;
  /** Removes a handler; without one, all handlers of the event. */
  unbind(event: string, handler?: (...values: any[]) => unknown): this;
  /** Calls the handlers of an event with these values. Nothing is sent. */
  trigger(event: string, ...values: any[]): void;

  /** Publishes to this channel: see `Pushi.sendChannel`. */
  send(event: string, data: unknown, echo: boolean | undefined, persist: false): Promise<undefined>;
  send(event: string, data?: unknown, echo?: boolean, persist?: true): Promise<Stored>;
  send(event: string, data?: unknown, echo?: boolean, persist?: boolean): Promise<Stored | undefined>;
  /** Requests the history, newest first: see `Pushi.latest`. */
  latest(
    skip?: number | null,
    count?: number | null,
    callback?: Told<Channel, [data: ChannelState]> | null,
  ): Promise<ChannelState>;
  /** Unsubscribes: see `Pushi.unsubscribe`. */
  unsubscribe(callback?: Told<Channel, [data: ChannelState]> | null): Promise<ChannelState | null | undefined>;
  /**
   * Yields new events of this name, or all, until the channel is unsubscribed or the client is closed.
   *
   * ```js
   * for await (const { data } of channel.events("message")) console.log(data);
   * ```
   */
  events(event?: string): AsyncIterableIterator<PushiEvent>;
}

export default Pushi;

type PushiClass = typeof Pushi & { Pushi: typeof Pushi; Channel: typeof Channel; Observable: typeof Observable; PushiError: typeof PushiError };
declare global {
  /** Defined by the classic script, `<script src="…/pushi.js">`. */
  var Pushi: PushiClass;
}
