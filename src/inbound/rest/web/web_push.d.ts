
// Sessions and Web Push.

/** A type of browsers; `any` where they are not known, as in a program for Node. */
type Dom<Name extends string> = typeof globalThis extends Record<Name, { prototype: infer Type }> ? Type : any;

/** A browser's registration for Web Push, as the server takes it. */
export interface SubscriptionInfo {
  /** The URL at the browser's push service. */
  endpoint: string;
  /** The browser's public key, base64url. */
  p256dh: string;
  /** The browser's secret, base64url. */
  auth: string;
}

/** Options of a registration for Web Push. */
export interface WebPushOptions {
  /**
   * The signature for a private, presence, peer or personal channel, or a function that returns it or a promise of it:
   * `<app key>:<hex of HMAC-SHA256 over "<endpoint>:<event>", keyed with the app's secret>`. With `appSecret` the client signs by
   * itself.
   */
  auth?: string | ((endpoint: string, event: string) => string | Promise<string>) | null | undefined;
  /** Whether the other registrations of this browser are removed first. Default: false. */
  unsubscribe?: boolean | null | undefined;
}

/** The server's record of a registration for Web Push. */
export interface WebPushRecord extends SubscriptionInfo {
  /** The channel. */
  event: string;
  [name: string]: any;
}

export interface Pushi {
  /**
   * Opens a session of the app, which the methods of Web Push need. The token is kept in memory; pages of the server's own origin
   * also get it as a cookie. Triggers `login`.
   */
  login(options?: { appId?: string; appSecret?: string }): Promise<{ token: string }>;
  /** Ends the session. */
  logout(): Promise<unknown>;

  /**
   * Registers this browser for the notifications of a channel: asks for permission, registers the service worker, subscribes it
   * with the app's key, and sends the registration to the server. To be called on each visit, after `login`, from a click: it
   * renews a registration that has changed.
   *
   * ```js
   * await pushi.login({ appId: ID, appSecret: SECRET });
   * await pushi.setupWebPush("news", { swPath: "/pushi-sw.js" });
   * ```
   */
  setupWebPush(
    event: string,
    options?: (WebPushOptions & { swPath?: string | null | undefined }) | null,
  ): Promise<{ subscription: Dom<"PushSubscription">; subscriptionInfo: SubscriptionInfo; serverResponse: WebPushRecord }>;
  /**
   * Removes this browser's registration for a channel; without one, all its registrations. The browser is unsubscribed with the
   * last. Resolves with the server's answer, or with `null` if the browser is not subscribed.
   */
  teardownWebPush(event?: string | null): Promise<any>;
  /** Requests the app's public key. The callback is called with `(error, key)`. */
  getVapidPublicKey(callback?: ((error: PushiError | null, key: string | null) => unknown) | null): Promise<string>;
  /** Asks the user for permission to show notifications. */
  requestNotificationPermission(): Promise<"default" | "denied" | "granted">;
  /** Registers a service worker of the page's origin. Default: `/sw.js`. Pages of this server use `/pushi-sw.js`. */
  registerServiceWorker(path?: string | null): Promise<Dom<"ServiceWorkerRegistration">>;
  /** The browser's subscription of a service worker. */
  getPushSubscription(registration: Dom<"ServiceWorkerRegistration">): Promise<Dom<"PushSubscription"> | null>;
  /** Subscribes a service worker at the browser's push service. A subscription with another key is replaced. */
  subscribeToPush(registration: Dom<"ServiceWorkerRegistration">, vapidKey: string): Promise<Dom<"PushSubscription">>;
  /** Returns what the server needs of a subscription. */
  extractSubscriptionInfo(subscription: Dom<"PushSubscription">): SubscriptionInfo;
  /** Registers a subscription for a channel on the server. */
  sendSubscriptionToServer(info: SubscriptionInfo, event: string, options?: WebPushOptions | null): Promise<WebPushRecord>;
  /** Removes the registration of an endpoint for a channel from the server; without one, all its registrations. */
  removeSubscriptionFromServer(endpoint: string, event?: string | null): Promise<any>;
}
