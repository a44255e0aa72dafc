// The service worker's decisions, in a context that records what it asks of the browser. tests/browser runs it in one.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import vm from "node:vm";

import { Server } from "../node/server.mjs";
import { options } from "./client.mjs";

let server;
let source;
before(async () => {
  server = await Server.start();
  source = await (await fetch(`${server.url}/pushi-sw.js`)).text();
});
after(() => server?.stop());

/** A worker whose browser refuses notifications for which `refuses(options)` is true. */
function worker(refuses = () => false, { path = "/pushi-sw.js", cookie = "" } = {}) {
  const shown = [];
  const opened = [];
  const handlers = {};
  const messages = [];
  const asked = [];
  const self = {
    addEventListener: (type, handler) => (handlers[type] = handler),
    location: new URL(path, server.url),
    registration: {
      pushManager: {
        subscribe: async (settings) => {
          asked.push(settings);
          return subscription("new");
        },
      },
      showNotification: async (title, settings) => {
        if (refuses(settings)) throw new TypeError("refused");
        shown.push(JSON.parse(JSON.stringify({ title, ...settings })));
      },
    },
    clients: {
      openWindow: async (url) => void opened.push(url),
      matchAll: async () => [{ postMessage: (message) => messages.push(JSON.parse(JSON.stringify(message))) }],
    },
  };
  // As a browser sends the cookie of the session, with the origin of the worker.
  const sent = { Cookie: cookie, Origin: new URL(server.url).origin };
  const withCookie = (url, settings) => fetch(url, { ...settings, headers: { ...settings.headers, ...sent } });
  vm.runInContext(source, vm.createContext({ self, URL, fetch: withCookie }));
  const dispatch = async (type, event) => {
    const waits = [];
    handlers[type]({ ...event, waitUntil: (promise) => waits.push(promise) });
    await Promise.all(waits);
  };
  return {
    shown,
    opened,
    messages,
    asked,
    change: (ended, renewed) => dispatch("pushsubscriptionchange", { oldSubscription: ended, newSubscription: renewed }),
    push: (text) => dispatch("push", { data: text === undefined ? null : { text: () => text } }),
    click: async (data, action = "") => {
      let closed = 0;
      await dispatch("notificationclick", { action, notification: { data, close: () => closed++ } });
      assert.equal(closed, 1);
    },
  };
}

// The keys of the example in RFC 8291, and another browser's.
const P256DH = {
  old: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
  new: "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
};

function subscription(name) {
  const keys = { p256dh: P256DH[name], auth: "BTBZMqHH6r4Tts7J_aSIgg" };
  const endpoint = `https://push.example/${name}`;
  return { endpoint, options: { applicationServerKey: `key of ${name}` }, toJSON: () => ({ endpoint, keys }) };
}

const FULL = {
  title: "Title",
  body: "Text",
  icon: "/icon.png",
  badge: "/badge.png",
  image: "/image.png",
  vibrate: [100, 50],
  tag: "group",
  renotify: true,
  requireInteraction: true,
  silent: false,
  actions: [{ action: "view", title: "View", url: "/view" }],
};

test("a notification has all members of its payload", options, async () => {
  const { shown, push } = worker();
  await push(JSON.stringify(FULL));
  assert.deepEqual(shown, [{ ...FULL, data: FULL }]);
});

test("a payload of any form is shown", options, async () => {
  const { shown, push } = worker();
  const payloads = [undefined, "", "hello", "7", "null", "[1]", '"text"', "{", "{}", '{"message":"m"}', '{"title":7,"body":"b","message":"m"}'];
  for (const text of payloads) await push(text);
  assert.deepEqual(
    shown.map(({ title, body }) => [title, body]),
    [
      ["Notification", ""],
      ["Notification", ""],
      ["Notification", "hello"],
      ["Notification", "7"],
      ["Notification", "null"],
      ["Notification", "[1]"],
      ["Notification", '"text"'],
      ["Notification", "{"],
      ["Notification", ""],
      ["Notification", "m"],
      ["7", "b"],
    ],
  );
});

test("members that browsers refuse do not lose the message", options, async () => {
  // As the specification of notifications demands of browsers.
  const refuses = ({ silent, vibrate, renotify, tag, actions }) =>
    (silent && vibrate !== undefined) || (renotify && !tag) || (actions !== undefined && !Array.isArray(actions));
  const { shown, push } = worker(refuses);
  const base = { title: "Title", body: "Text" };
  for (const more of [{ silent: true, vibrate: [1] }, { renotify: true }, { actions: "view" }]) await push(JSON.stringify({ ...base, ...more }));
  assert.deepEqual(
    shown.map(({ data, ...one }) => one),
    [{ ...base, silent: true }, base, base],
  );
  assert.equal(shown[2].data.actions, "view");
});

test("a click opens the url of the payload or of its action", options, async () => {
  const { opened, click } = worker();
  const actions = [{ action: "view", url: "/view" }, { action: "plain" }, null, { action: "dismiss", url: "/never" }];
  const payload = { url: "/main", actions };
  await click(payload);
  await click(payload, "view");
  await click(payload, "plain");
  await click(payload, "dismiss");
  await click({ data: { url: "/nested" } });
  for (const nothing of [null, {}, { actions: "view" }, { actions, data: 7 }]) await click(nothing);
  assert.deepEqual(opened, ["/main", "/view", "/main", "/nested"]);
});

test("a subscription that has ended is renewed, with the registrations of its session", options, async () => {
  const app = await server.createApp();
  const login = await fetch(`${server.url}/login?app_id=${app.ident}&app_key=${app.key}&app_secret=${app.secret}`);
  const { token } = await login.json();
  const authorization = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const { keys, endpoint } = subscription("old").toJSON();
  const register = async (event, further) => {
    const mac = createHmac("sha256", app.secret).update(`${endpoint}:${event}`).digest("hex");
    const url = `${server.url}/web_pushes?auth=${encodeURIComponent(`${app.key}:${mac}`)}`;
    const body = JSON.stringify({ endpoint, ...keys, event, ...further });
    const answer = await fetch(url, { method: "POST", headers: authorization, body });
    assert.equal(answer.status, 200, await answer.text());
  };
  await register("a&b");
  await register("news", { when: "away", delay: "30s", user_id: "ann" });
  await register("private-a");
  const registered = async () => {
    const { subscriptions } = await (await fetch(`${server.url}/web_pushes`, { headers: authorization })).json();
    return subscriptions.map(({ endpoint, event, when }) => [event, endpoint.split("/").pop(), when]).sort();
  };
  const before = await registered();
  // Without a session, or in a worker of another server, pages get the message and nothing is moved.
  for (const settings of [{}, { path: "/sw.js", cookie: `sid=${token}` }]) {
    const other = worker(undefined, settings);
    await other.change(subscription("old"), undefined);
    assert.deepEqual(JSON.parse(JSON.stringify(other.asked)), [{ userVisibleOnly: true, applicationServerKey: "key of old" }]);
    assert.deepEqual(other.messages, [{ type: "pushsubscriptionchange", subscription: subscription("new").toJSON() }]);
    assert.deepEqual(await registered(), before);
  }
  const own = worker(undefined, { cookie: `sid=${token}` });
  await own.change(subscription("old"), subscription("new"));
  assert.deepEqual(own.asked, []);
  // What needs a signature stays, until a page renews it.
  assert.deepEqual(await registered(), [
    ["a&b", "new", undefined],
    ["news", "new", "away"],
    ["private-a", "old", undefined],
  ]);
});
