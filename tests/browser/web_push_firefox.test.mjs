// Web Push in Firefox, all of it real but Mozilla's push service: the subscription, the encryption, the worker and the notification.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ADMIN_TOKEN, Server, waitUntil } from "../clients/node/server.mjs";
import { Autopush, Firefox } from "./web_firefox.mjs";

let server;
let autopush;
let firefox;
before(async () => {
  server = await Server.start({ PUSHI_WEBHOOK_ALLOW_PRIVATE: "1", PUSHI_CONTACT: "mailto:operator@example.com" });
  autopush = await Autopush.start();
  firefox = await Firefox.start(autopush);
});
after(async () => {
  await firefox?.stop();
  await autopush?.stop();
  await server?.stop();
});

const makeKey = (app, query = "") =>
  fetch(`${server.url}/apps/${app.ident}/vapid${query}`, { method: "POST", headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } });

test("a browser shows what was published, until it is unsubscribed", { timeout: 120_000 }, async () => {
  const app = await server.createApp();
  await makeKey(app);
  await firefox.goto(`${server.url}/examples/web-push.html`);
  const setUp = () => firefox.evaluate(() => client.setupWebPush("news", { swPath: "/pushi-sw.js" }).then((result) => result.subscriptionInfo));
  await firefox.evaluate(
    (key, login) => {
      window.client = new Pushi(key);
      return client.login(login);
    },
    app.key,
    { appId: app.ident, appSecret: app.secret },
  );
  const first = await setUp();
  assert.ok(first.endpoint.startsWith(`http://${autopush.address}/`));
  // A repetition changes nothing; another key of the app subscribes again.
  assert.deepEqual(await setUp(), first);
  await makeKey(app, "?replace=1");
  const second = await setUp();
  assert.notEqual(second.endpoint, first.endpoint);

  await app.publish("news", { title: "Order 17", body: "Shipped", tag: "order", url: "/docs" });
  const shown = () =>
    firefox.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration("/");
      return (await registration.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, url: data.url }));
    });
  await waitUntil(async () => (await shown()).length > 0, "a notification", 30);
  assert.deepEqual(await shown(), [{ title: "Order 17", body: "Shipped", tag: "order", url: "/docs" }]);

  const registrations = async () => {
    const answer = await fetch(`${server.url}/web_pushes`, { headers: { Authorization: `Bearer ${app.token}` } });
    return (await answer.json()).subscriptions.map(({ endpoint }) => endpoint);
  };
  assert.ok((await registrations()).includes(second.endpoint));
  await firefox.evaluate(() => client.teardownWebPush("news"));
  assert.ok(!(await registrations()).includes(second.endpoint));
  assert.equal(await firefox.evaluate(() => client.teardownWebPush("news")), null);
});
