// Pushi's service worker: shows the notifications that the server sends by Web Push.
//
// A page of this server registers it as it is: pushi.setupWebPush(channel, { swPath: "/pushi-sw.js" }).
// A page of another origin has a worker of its own, such as /sw.js, with importScripts("https://SERVER/pushi-sw.js").
//
// When the browser's subscription ends, the worker subscribes again and sends open pages the message { type: "pushsubscriptionchange",
// subscription }. It has no credentials: a worker of this server also moves the registrations of open channels to the new
// subscription, if the browser has the cookie of a session. All others are renewed by the next setupWebPush of a page.

(() => {
  const MEMBERS = ["icon", "badge", "image", "vibrate", "tag", "renotify", "requireInteraction", "silent", "actions"];

  /** The members of a payload. What is not a JSON object is the text of the notification. */
  function read(data) {
    const text = data?.text() ?? "";
    try {
      const payload = JSON.parse(text);
      if (payload && typeof payload === "object" && !Array.isArray(payload)) return payload;
    } catch {
      // Not JSON.
    }
    return { body: text };
  }

  async function show(payload) {
    const title = String(payload.title || "Notification");
    const least = { body: String(payload.body || payload.message || ""), data: payload };
    const options = { ...least };
    for (const name of MEMBERS) if (payload[name] !== undefined && payload[name] !== null) options[name] = payload[name];
    // Browsers refuse these combinations.
    if (options.silent) delete options.vibrate;
    if (!options.tag) delete options.renotify;
    try {
      await self.registration.showNotification(title, options);
    } catch {
      // A member that the browser refuses must not lose the message.
      await self.registration.showNotification(title, least);
    }
  }

  /** The address that a click opens; `undefined`: none. */
  function target(payload, action) {
    const actions = Array.isArray(payload.actions) ? payload.actions : [];
    return actions.find((one) => action && one?.action === action)?.url ?? payload.url ?? payload.data?.url;
  }

  /** Calls the server of this worker, with its cookies; `undefined`: without success. */
  async function call(method, path, body) {
    const settings = { method, ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }) };
    const answer = await fetch(new URL(path, self.location.href), settings).catch(() => undefined);
    return answer?.ok ? answer.json() : undefined;
  }

  async function subscribe(options) {
    const key = options?.applicationServerKey ?? (await call("GET", "vapid_key"))?.vapid_public_key;
    return self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  }

  async function renew(ended, renewed) {
    const subscription = (renewed ?? (await subscribe(ended?.options))).toJSON();
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    for (const page of pages) page.postMessage({ type: "pushsubscriptionchange", subscription });
    const { endpoint, keys } = subscription;
    if (!ended || ended.endpoint === endpoint || !self.location.pathname.endsWith("/pushi-sw.js")) return;
    const old = encodeURIComponent(ended.endpoint);
    const found = await call("GET", `web_pushes?endpoint=${old}`);
    for (const { event, when, delay, user_id } of found?.subscriptions ?? []) {
      const registered = await call("POST", "web_pushes", { endpoint, ...keys, event, when, delay, user_id });
      if (registered) await call("DELETE", `web_pushes/${old}?event=${encodeURIComponent(event)}`);
    }
  }

  self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event.oldSubscription, event.newSubscription)));

  self.addEventListener("push", (event) => event.waitUntil(show(read(event.data))));

  self.addEventListener("notificationclick", (event) => {
    event.notification.close();
    const url = event.action === "dismiss" ? undefined : target(event.notification.data ?? {}, event.action);
    if (url) event.waitUntil(self.clients.openWindow(url));
  });
})();
