// npm `pusher` reads real webhooks.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";

import Pusher from "pusher";
import WebSocket from "ws";

import { ADMIN_TOKEN, Server, waitUntil } from "./server.mjs";

let server;
let http;
let url;
const calls = [];
before(async () => {
  server = await Server.start({ PUSHI_WEBHOOK_ALLOW_PRIVATE: "1" });
  http = createServer((request, response) => {
    let rawBody = "";
    request.setEncoding("utf8").on("data", (text) => (rawBody += text));
    request.on("end", () => {
      calls.push({ headers: request.headers, rawBody });
      response.end();
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  url = `http://127.0.0.1:${http.address().port}/hook`;
});
after(async () => {
  http.close();
  await server.stop();
});

/** The next webhook as parsed by the library. */
async function webhook(app, secret = app.secret) {
  await waitUntil(() => calls.length > 0, "a webhook");
  const pusher = new Pusher({ appId: app.ident, key: app.key, secret });
  return pusher.webhook(calls.shift());
}

async function subscribe(app, channel) {
  const socket = new WebSocket(`${server.wsUrl}/app/${app.key}?protocol=7`);
  await once(socket, "message");
  socket.send(JSON.stringify({ event: "pusher:subscribe", data: { channel, auth: "" } }));
  await once(socket, "message");
  return socket;
}

test("a webhook is valid, and says what happened", { timeout: 60_000 }, async () => {
  const app = await server.createApp({ webhooks: [{ url }] });
  const begun = Date.now();
  const socket = await subscribe(app, "news");
  const occupied = await webhook(app);
  assert.equal(occupied.isContentTypeValid(), true);
  assert.equal(occupied.isBodyValid(), true);
  assert.equal(occupied.isValid(), true);
  assert.deepEqual(occupied.getEvents(), [{ name: "channel_occupied", channel: "news" }]);
  assert.ok(Math.abs(occupied.getTime() - begun) < 30_000);
  socket.close();
  const vacated = await webhook(app, "another");
  assert.equal(vacated.isValid(), false);
  assert.equal(vacated.isValid({ key: app.key, secret: app.secret }), true);
});

test("after a rotation it is signed with the new secret", { timeout: 60_000 }, async () => {
  const app = await server.createApp({ webhooks: [{ url, events: ["channel_occupied"] }] });
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
  const answer = await fetch(`${server.url}/apps/${app.ident}/rotate`, { method: "POST", headers });
  assert.equal(answer.status, 200);
  const rotated = await answer.json();
  assert.notEqual(rotated.secret, app.secret);
  const socket = await subscribe(app, "news");
  const told = await webhook(rotated);
  assert.equal(told.isValid(), true);
  socket.close();
});
