// Registration of the browser for Web Push.

class WebPush extends Rest {
  #registration;

  getVapidPublicKey(callback) {
    const key = this._request("GET", "vapid_key").then((answer) => answer.vapid_public_key);
    if (callback) key.then((found) => call(this, callback, null, found), (error) => call(this, callback, error, null));
    return key;
  }

  async requestNotificationPermission() {
    if (!globalThis.Notification) throw new PushiError("Notifications not supported in this browser");
    return Notification.requestPermission();
  }

  async registerServiceWorker(path) {
    const workers = globalThis.navigator?.serviceWorker;
    if (!workers) throw new PushiError("Service workers not supported in this browser, or the page has neither HTTPS nor localhost");
    return workers.register(path || "/sw.js");
  }

  getPushSubscription(registration) {
    return registration.pushManager.getSubscription();
  }

  async subscribeToPush(registration, vapidKey) {
    const bytes = atob(vapidKey.replace(/-/g, "+").replace(/_/g, "/"));
    const applicationServerKey = Uint8Array.from(bytes, (byte) => byte.charCodeAt());
    const worker = registration.active ?? registration.installing ?? registration.waiting;
    // Only an active worker can subscribe.
    while (/^install|^activating/.test(worker?.state)) {
      await new Promise((done) => worker.addEventListener("statechange", done, { once: true }));
    }
    const subscribe = () => registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
    return subscribe().catch(async (error) => {
      // A worker has one subscription, of one key: the app's key was replaced.
      if (error.name !== "InvalidStateError") throw error;
      await (await this.getPushSubscription(registration))?.unsubscribe();
      return subscribe();
    });
  }

  extractSubscriptionInfo(subscription) {
    const { endpoint, keys } = subscription.toJSON();
    return { endpoint, p256dh: keys.p256dh, auth: keys.auth };
  }

  async sendSubscriptionToServer(info, event, options) {
    let { auth, unsubscribe } = options ?? {};
    if (typeof auth === "function") auth = await auth(info.endpoint, event);
    else if (!auth && this.appSecret && CLOSED.test(event)) auth = await signature(this, info.endpoint, event);
    return this._request("POST", "web_pushes", { auth, unsubscribe }, { ...info, event });
  }

  async removeSubscriptionFromServer(endpoint, event) {
    return this._request("DELETE", `web_pushes/${encodeURIComponent(endpoint)}`, { event });
  }

  async setupWebPush(event, options) {
    this._check();
    if ((await this.requestNotificationPermission()) !== "granted") throw new PushiError("Notification permission denied");
    this.#registration = await this.registerServiceWorker(options?.swPath);
    const subscription = await this.subscribeToPush(this.#registration, await this.getVapidPublicKey());
    const subscriptionInfo = this.extractSubscriptionInfo(subscription);
    const serverResponse = await this.sendSubscriptionToServer(subscriptionInfo, event, options);
    return { subscription, subscriptionInfo, serverResponse };
  }

  async teardownWebPush(event) {
    this._check();
    const registration = this.#registration ?? (await navigator.serviceWorker.getRegistration());
    const subscription = registration && (await this.getPushSubscription(registration));
    if (!subscription) return null;
    const { endpoint } = subscription;
    if (!event) await subscription.unsubscribe();
    const answer = await this.removeSubscriptionFromServer(endpoint, event);
    // The browser's subscription is kept while other channels use it.
    const { subscriptions } = event ? await this._request("GET", "web_pushes", { endpoint }) : {};
    if (subscriptions?.length === 0) await subscription.unsubscribe();
    return answer;
  }
}
