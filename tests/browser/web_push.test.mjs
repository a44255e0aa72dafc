// The example page of Web Push, and the service worker. Real are the server's routes, its message, the worker's registration, the
// push event, the notification and the handling of a click; the browser's push service is one of the tests.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ADMIN_TOKEN, Server, waitUntil } from "../clients/node/server.mjs";
import { findings, openBrowser, openSite } from "./web_browser.mjs";
import { PushService, delivery } from "./web_push_service.mjs";

const options = { timeout: 120_000 };
const CHANNEL = "web-push-example";

let server;
let service;
let browser;
let stopBrowser;
before(async () => {
  server = await Server.start({ PUSHI_WEBHOOK_ALLOW_PRIVATE: "1", PUSHI_CONTACT: "mailto:operator@example.com" });
  service = await PushService.start();
  ({ browser, stop: stopBrowser } = await openBrowser());
  await browser.grantPermissions(["notifications"], { origin: server.url });
  await service.replaceIn(browser);
});
after(async () => {
  await stopBrowser?.();
  await service?.stop();
  await server?.stop();
});

const call = async (app, method, path, token = app.token) => {
  const answer = await fetch(server.url + path, { method, headers: { Authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200);
  return answer.json();
};
const makeKey = (app, query = "") => call(app, "POST", `/apps/${app.ident}/vapid${query}`, ADMIN_TOKEN);
const registrations = async (app) => (await call(app, "GET", "/web_pushes")).subscriptions;

async function open(app) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${server.url}/examples/web-push.html`);
  await page.locator("#app").fill(app.ident);
  await page.locator("#key").fill(app.key);
  await page.locator("#secret").fill(app.secret);
  await page.locator("#login button").click();
  const check = async () => {
    assert.deepEqual([await page.locator("#trouble").innerText(), complaints], ["", []]);
  };
  return { page, check };
}

const state = (page, text) => page.locator("#state", { hasText: `Notifications are ${text}.` }).waitFor();
/** The shown notifications: `{ title, body, tag, data }`. */
const shown = (page) =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration("/");
    const all = await registration.getNotifications();
    return all.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
  });

test("the example page subscribes, sends itself a message, and unsubscribes", options, async () => {
  const app = await server.createApp();
  const { page, check } = await open(app);
  await state(page, "off");

  // Without a key the page says what to do.
  await page.locator("#on").click();
  await page.locator("#command", { hasText: `pushi app vapid ${app.ident}` }).waitFor();
  assert.deepEqual(await registrations(app), []);
  await makeKey(app);
  await page.locator("#on").click();
  await state(page, "on");
  await check();
  assert.equal(await page.locator("#no-key").isVisible(), false);
  const { endpoint, keys } = service.subscription;
  const [record, ...others] = await registrations(app);
  assert.deepEqual([record.event, record.endpoint, record.p256dh, others], [CHANNEL, endpoint, keys.p256dh, []]);

  // The server sends what the page publishes; the worker shows it.
  await page.locator("#title").fill("Good morning");
  await page.locator("#say button").click();
  const { headers, text } = await service.message(1);
  assert.equal(headers["content-encoding"], "aes128gcm");
  assert.match(headers.authorization, /^vapid t=/);
  const payload = JSON.parse(text);
  assert.deepEqual(payload, { title: "Good morning", body: "This message came by Web Push.", url: page.url() });
  const { deliver } = await delivery(browser, page);
  await deliver(text);
  assert.deepEqual(await shown(page), [{ title: payload.title, body: payload.body, tag: "", data: payload }]);
  await page.close();

  // On a later visit the browser is still subscribed.
  const { page: later, check: checkLater } = await open(app);
  await state(later, "on");
  await later.locator("#off").click();
  await state(later, "off");
  assert.deepEqual(await registrations(app), []);
  await checkLater();
  await later.close();
});

test("the example page has no barriers, in both schemes and in 360 pixels", options, async () => {
  const app = await server.createApp();
  const page = await browser.newPage();
  await page.goto(`${server.url}/examples/web-push.html`);
  const check = async (part) => {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await findings(page), [], `${part}, ${colorScheme}`);
    }
    await page.setViewportSize({ width: 360, height: 740 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${part} fits`);
    await page.setViewportSize({ width: 1280, height: 800 });
  };
  await check("the form");
  // By keyboard alone: the first field has the focus.
  await page.keyboard.type(app.ident);
  await page.keyboard.press("Tab");
  await page.keyboard.type(app.key);
  await page.keyboard.press("Tab");
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await page.locator("#trouble:not([hidden])").waitFor();
  await check("a failure");
  await page.locator("#secret").fill(app.secret);
  await page.keyboard.press("Enter");
  await state(page, "off");
  assert.ok(await page.locator("#trouble").isHidden());
  await check("the page");
  await page.locator("#on").click();
  await page.locator("#no-key:not([hidden])").waitFor();
  await check("without a key");
  await page.close();
});

test("a click closes the notification and opens its address", options, async () => {
  const app = await server.createApp();
  await makeKey(app);
  const { page } = await open(app);
  await page.locator("#on").click();
  await state(page, "on");
  const { deliver, worker } = await delivery(browser, page);
  // Chromium opens windows only for a click of a person.
  await worker.evaluate(() => {
    self.opened = [];
    self.clients.openWindow = async (url) => void self.opened.push(url);
  });
  const click = (tag, action) =>
    worker.evaluate(
      async ([tag, action]) => {
        const [notification] = await self.registration.getNotifications({ tag });
        self.dispatchEvent(new NotificationEvent("notificationclick", { notification, action }));
        return self.opened.splice(0);
      },
      [tag, action],
    );
  const actions = [{ action: "view", title: "View", url: "/view" }, { action: "dismiss", title: "Dismiss" }];
  for (const [action, addresses] of [["", ["/main"]], ["view", ["/view"]], ["dismiss", []]]) {
    const tag = `tag-${action}`;
    const ours = async () => (await shown(page)).filter((one) => one.tag === tag);
    await deliver(JSON.stringify({ title: "Title", tag, url: "/main", actions, renotify: true, silent: true, vibrate: [100] }));
    assert.equal((await ours()).length, 1);
    assert.deepEqual(await click(tag, action), addresses);
    await waitUntil(async () => (await ours()).length === 0, "closed");
  }
  await page.locator("#off").click();
  await state(page, "off");
  await page.close();
});

test("a browser is registered for several channels, and unsubscribed with the last", options, async () => {
  const app = await server.createApp();
  await makeKey(app);
  const page = await browser.newPage();
  await page.goto(`${server.url}/examples/web-push.html`);
  const events = () => registrations(app).then((all) => all.map(({ event }) => event).sort());
  await page.evaluate(
    async ([key, login]) => {
      window.client = new Pushi(key);
      await client.login(login);
      const sw = { swPath: "/pushi-sw.js" };
      const { subscription, subscriptionInfo, serverResponse } = await client.setupWebPush("a", sw);
      await client.setupWebPush("b", sw);
      await client.setupWebPush("private-c", { ...sw, auth: async (endpoint, event) => `${key}:${await mac(`${endpoint}:${event}`)}` });
      window.same = subscription.endpoint === subscriptionInfo.endpoint && serverResponse.event === "a";
      async function mac(text) {
        const bytes = (string) => new TextEncoder().encode(string);
        const secret = await crypto.subtle.importKey("raw", bytes(login.appSecret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
        const code = new Uint8Array(await crypto.subtle.sign("HMAC", secret, bytes(text)));
        return Array.from(code, (byte) => byte.toString(16).padStart(2, "0")).join("");
      }
    },
    [app.key, { appId: app.ident, appSecret: app.secret }],
  );
  assert.equal(await page.evaluate(() => same), true);
  assert.deepEqual(await events(), ["a", "b", "private-c"]);
  const subscribed = () => page.evaluate(() => localStorage.getItem("push") !== null);
  await page.evaluate(() => client.teardownWebPush("a"));
  assert.deepEqual([await events(), await subscribed()], [["b", "private-c"], true]);
  await page.evaluate(() => client.teardownWebPush());
  assert.deepEqual([await events(), await subscribed()], [[], false]);
  assert.equal(await page.evaluate(() => client.teardownWebPush("a")), null);

  // The app's key is replaced: the next visit subscribes again with the new one.
  const setUp = () => page.evaluate(() => client.setupWebPush("a", { swPath: "/pushi-sw.js" }).then(() => localStorage.getItem("push")));
  const first = await setUp();
  await makeKey(app, "?replace=1");
  assert.notEqual(await setUp(), first);
  assert.deepEqual(await events(), ["a"]);
  await page.evaluate(() => client.teardownWebPush());
  await page.close();
});

test("a page of another origin logs in by token, and its own worker has the server's", options, async () => {
  const app = await server.createApp();
  const key = await makeKey(app);
  const site = await openSite({
    "/": `<!doctype html><script src="${server.url}/pushi.js"></script>`,
    "/sw.js": `importScripts("${server.url}/pushi-sw.js");`,
  });
  try {
    await browser.grantPermissions(["notifications"], { origin: site.url });
    const page = await browser.newPage();
    await page.goto(`${site.url}/`);
    const result = await page.evaluate(
      async ([appKey, login]) => {
        const pushi = new Pushi(appKey);
        await pushi.login(login);
        await pushi.setupWebPush("a");
        return { key: await pushi.getVapidPublicKey() };
      },
      [app.key, { appId: app.ident, appSecret: app.secret }],
    );
    assert.equal(result.key, key.vapid_public_key);
    assert.equal((await registrations(app)).length, 1);
    const { deliver } = await delivery(browser, page);
    await deliver("plain text");
    const notifications = await shown(page);
    assert.deepEqual(notifications.map(({ title, body }) => [title, body]), [["Notification", "plain text"]]);
    await page.close();
  } finally {
    await site.stop();
  }
});
