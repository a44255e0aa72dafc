// Pushi's service worker: shows the notifications that the server sends by Web Push.
//
// A page of this server registers it as it is: pushi.setupWebPush(channel, { swPath: "/pushi-sw.js" }).
// A page of another origin has a worker of its own, such as /sw.js, with importScripts("https://SERVER/pushi-sw.js").

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

  self.addEventListener("push", (event) => event.waitUntil(show(read(event.data))));

  self.addEventListener("notificationclick", (event) => {
    event.notification.close();
    const url = event.action === "dismiss" ? undefined : target(event.notification.data ?? {}, event.action);
    if (url) event.waitUntil(self.clients.openWindow(url));
  });
})();
