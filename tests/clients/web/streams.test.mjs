// Streams over plain HTTP: with npm's eventsource, and the client where upgrades are refused.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { EventSource } from "eventsource";

import { Server, waitUntil } from "../node/server.mjs";
import { all, clients, next, options } from "./client.mjs";
import { Network } from "./network.mjs";
import { Upgradeless } from "./upgradeless.mjs";

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

test("npm's eventsource continues after a lost connection", options, async () => {
  const app = await server.createApp();
  const network = await Network.to(server.port);
  const source = new EventSource(`http://127.0.0.1:${network.port}/stream/${app.key}?channel=a&channel=b`);
  const heard = [];
  source.onmessage = ({ data }) => heard.push(JSON.parse(data).data);
  await new Promise((opened) => (source.onopen = opened));
  await app.publish("a", "1", { event: "message" });
  await app.publish("b", "2", { event: "message" });
  await waitUntil(() => heard.length === 2, "live events");
  network.break();
  await app.publish("a", "3", { event: "message" });
  network.mend();
  await waitUntil(() => heard.length === 3, "the missed event");
  await app.publish("b", "4", { event: "message" });
  await waitUntil(() => heard.length === 4, "the next event");
  assert.deepEqual(heard, ["1", "2", "3", "4"]);
  source.close();
  await network.stop();
});

test("the client uses a stream where WebSockets fail three times in a row", options, async () => {
  const app = await server.createApp();
  const proxy = await Upgradeless.to(server.port);
  const web = await clients(server, app);
  const pushi = web.make({ baseUrl: proxy.url, timeout: 100 });
  const channel = pushi.subscribe("a");
  const heard = all(channel, "message");
  await channel.ready;
  assert.deepEqual([pushi.transport, proxy.refused], ["stream", 3]);
  await app.publish("a", "1", { event: "message" });
  await waitUntil(() => heard.length === 1, "an event");
  // A second channel, and events of the first while it is added.
  const other = pushi.subscribe("b");
  await other.ready;
  const { serial } = await channel.send("message", "2", true);
  assert.equal(serial, 2);
  await other.send("message", "unseen");
  await waitUntil(() => heard.length === 2, "the client's own event, echoed");
  const lost = next(pushi, "disconnect");
  proxy.cut();
  await lost;
  await app.publish("a", "3", { event: "message" });
  await channel.ready;
  await waitUntil(() => heard.length === 3, "the missed event");
  assert.deepEqual([heard.map(([, data]) => data), pushi.transport], [["1", "2", "3"], "stream"]);
  const secret = pushi.subscribe("private-a");
  await assert.rejects(secret.ready, /private-a/);
  await pushi.unsubscribe("b");
  // Another network, by which WebSockets work.
  await web.close();
  await proxy.stop();
});

test("where WebSockets work, no stream is tried", options, async () => {
  const app = await server.createApp();
  const web = await clients(server, app);
  const pushi = web.make();
  await pushi.subscribe("a").ready;
  assert.equal(pushi.transport, "websocket");
  await web.close();
});
