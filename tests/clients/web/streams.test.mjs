// Streams over plain HTTP: with npm's eventsource, and the client where upgrades are refused.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { EventSource } from "eventsource";
import WebSocket from "ws";

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
  const refused = next(pushi, "connect").then(() => proxy.refused);
  await channel.ready;
  assert.deepEqual([pushi.transport, await refused], ["stream", 3]);
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
  const past = async (skip, count) => (await channel.latest(skip, count)).events;
  assert.deepEqual((await past(0, 2)).map(({ serial, data }) => [serial, data]), [
    [3, { event: "message", channel: "a", data: "3" }],
    [2, { event: "message", channel: "a", data: "2" }],
  ]);
  assert.deepEqual((await past(2, 10)).map(({ data }) => data.data), ["1"]);
  assert.deepEqual(await past(3, 10), []);
  const secret = pushi.subscribe("private-a");
  await assert.rejects(secret.ready, /private-a/);
  await pushi.unsubscribe("b");
  // Another network, by which WebSockets work.
  await web.close();
  await proxy.stop();
});

test("a stream is replaced once WebSockets are possible, and nothing is lost or doubled", options, async () => {
  const app = await server.createApp();
  const proxy = await Upgradeless.to(server.port);
  const web = await clients(server, app);
  const pushi = web.make({ baseUrl: proxy.url, timeout: 100 });
  const channel = pushi.subscribe("a");
  const heard = all(channel, "message");
  await channel.ready;
  assert.equal(pushi.transport, "stream");
  const transports = [];
  pushi.bind("connect", () => transports.push(pushi.transport));
  await waitUntil(() => proxy.refused > 4, "attempts beside the stream");
  assert.deepEqual(transports, []);
  proxy.allow();
  for (let number = 1; transports.length === 0 || number < 10; number++) await app.publish("a", String(number), { event: "message" });
  await app.publish("a", "last", { event: "message" });
  await waitUntil(() => heard.at(-1)?.[1] === "last", "the last event");
  assert.deepEqual(transports, ["websocket"]);
  const expected = [...Array(heard.length - 1).keys()].map((index) => String(index + 1));
  assert.deepEqual(heard.map(([, data]) => data), [...expected, "last"]);
  await web.close();
  await proxy.stop();
});

test("a server that starts while WebSockets fail is reached by a WebSocket", options, async () => {
  const app = await server.createApp();
  const network = await Network.to(server.port);
  let attempts = 0;
  class Counted extends WebSocket {
    constructor(url) {
      super(url);
      // The server is available right after the third attempt.
      if (++attempts === 3) this.addEventListener("error", () => network.mend());
    }
  }
  network.break();
  const web = await clients(server, app);
  const pushi = web.make({ baseUrl: network.wsUrl, timeout: 100, WebSocket: Counted });
  await next(pushi, "connect");
  assert.equal(pushi.transport, "websocket");
  await web.close();
  await network.stop();
});

test("where WebSockets work, no stream is tried", options, async () => {
  const app = await server.createApp();
  const web = await clients(server, app);
  const pushi = web.make();
  await pushi.subscribe("a").ready;
  assert.equal(pushi.transport, "websocket");
  await web.close();
});
