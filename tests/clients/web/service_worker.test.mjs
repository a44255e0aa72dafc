// The service worker's decisions, in a context that records what it asks of the browser. tests/browser runs it in one.
import assert from "node:assert/strict";
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
function worker(refuses = () => false) {
  const shown = [];
  const opened = [];
  const handlers = {};
  const self = {
    addEventListener: (type, handler) => (handlers[type] = handler),
    registration: {
      showNotification: async (title, settings) => {
        if (refuses(settings)) throw new TypeError("refused");
        shown.push(JSON.parse(JSON.stringify({ title, ...settings })));
      },
    },
    clients: { openWindow: async (url) => void opened.push(url) },
  };
  vm.runInContext(source, vm.createContext({ self }));
  const dispatch = async (type, event) => {
    const waits = [];
    handlers[type]({ ...event, waitUntil: (promise) => waits.push(promise) });
    await Promise.all(waits);
  };
  return {
    shown,
    opened,
    push: (text) => dispatch("push", { data: text === undefined ? null : { text: () => text } }),
    click: async (data, action = "") => {
      let closed = 0;
      await dispatch("notificationclick", { action, notification: { data, close: () => closed++ } });
      assert.equal(closed, 1);
    },
  };
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
