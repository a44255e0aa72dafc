// The protocol's scenarios with npm's `ws`, several sockets at once.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { Client } from "./client.mjs";
import { Server } from "./server.mjs";

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

const sockets = (app, count) => Promise.all(Array.from({ length: count }, () => Client.connect(server, app)));
const options = { timeout: 60_000 };

test("fifty sockets connect at once, each with its own id", options, async () => {
  const app = await server.createApp();
  const all = await sockets(app, 50);
  assert.equal(new Set(all.map((one) => one.id)).size, 50);
  await Promise.all(all.map((one) => one.subscribe("global")));
  await app.publish("global", { x: 1 });
  for (const one of all) {
    const frame = await one.expect("message", "global");
    assert.deepEqual(JSON.parse(frame.data), { x: 1 });
    assert.equal(frame.serial, 1);
  }
  for (const one of all) one.raw.close();
});

test("all subscribers see one order, whoever publishes", options, async () => {
  const app = await server.createApp();
  const [left, right, ...readers] = await sockets(app, 6);
  await Promise.all([left, right, ...readers].map((one) => one.subscribe("global")));
  for (let number = 0; number < 100; number++) {
    left.publish("global", `left ${number}`);
    right.publish("global", `right ${number}`);
  }
  const orders = [];
  for (const reader of readers) {
    const seen = [];
    for (let number = 0; number < 200; number++) seen.push(await reader.expect("message", "global"));
    assert.deepEqual(
      seen.map((frame) => frame.serial),
      Array.from({ length: 200 }, (_, index) => index + 1),
    );
    orders.push(seen.map((frame) => frame.mid).join());
    for (const side of ["left", "right"]) {
      const own = seen.map((frame) => frame.data).filter((data) => data.startsWith(side));
      assert.deepEqual(own, Array.from({ length: 100 }, (_, number) => `${side} ${number}`));
    }
  }
  assert.equal(new Set(orders).size, 1);
});

test("a room of users, one of them with three tabs", options, async () => {
  const app = await server.createApp();
  const room = "presence-room";
  const [ann, bo, ...tabs] = await sockets(app, 5);
  await ann.subscribe(room, { channel_data: { user_id: "ann", peer: true } });
  await bo.subscribe(room, { channel_data: { user_id: "bo", peer: true } });
  assert.equal(JSON.parse((await ann.expect("pusher:member_added", room)).member).user_id, "bo");
  for (const tab of tabs) {
    const answer = await tab.subscribe(room, { channel_data: { user_id: "cy" } });
    assert.deepEqual(Object.keys(answer.members).sort(), ["ann", "bo", "cy"]);
  }
  for (const one of [ann, bo]) {
    assert.equal(JSON.parse((await one.expect("pusher:member_added", room)).member).user_id, "cy");
    await one.quiet();
  }
  // Two peers exchange events without subscribing; others do not receive them.
  ann.publish("peer-room:ann&bo", "between us");
  assert.equal((await bo.expect("message", "peer-room:ann&bo")).data, "between us");
  for (const tab of tabs) await tab.quiet();
  // The member is removed with the last tab, even after a lost connection.
  for (const tab of tabs) tab.raw.terminate();
  for (const one of [ann, bo]) {
    assert.equal(JSON.parse((await one.expect("pusher:member_removed", room)).member).user_id, "cy");
    await one.quiet();
  }
});

test("private channels need a signature, and an error leaves the socket open", options, async () => {
  const app = await server.createApp();
  const [good, bad] = await sockets(app, 2);
  await good.subscribe("private-orders");
  bad.send("pusher:subscribe", { channel: "private-orders", auth: app.sign(good.id, "private-orders") });
  assert.equal((await bad.error(4009)).event, "pusher:subscribe");
  bad.raw.send("{");
  await bad.error(4310);
  bad.raw.send(Buffer.from("{}"));
  await bad.error(4321);
  await app.publish("private-orders", "secret");
  assert.equal((await good.expect("message", "private-orders")).data, "secret");
  await bad.quiet();
});

test("a publish with a ref is acknowledged, and echoed where that is asked for", options, async () => {
  const app = await server.createApp();
  const [sender, reader] = await sockets(app, 2);
  await Promise.all([sender, reader].map((one) => one.subscribe("global")));
  sender.publish("global", "a", { ref: "7" });
  const done = JSON.parse((await sender.expect("pusher_internal:published", "global")).data);
  const frame = await reader.expect("message", "global");
  assert.deepEqual(done, { ref: "7", mid: frame.mid, serial: 1, timestamp: frame.timestamp });
  sender.publish("global", "b", { persist: false, echo: true });
  assert.deepEqual(await sender.frame(), { event: "message", channel: "global", data: "b" });
  await sender.quiet();
});

test("who comes back with since misses nothing", options, async () => {
  const app = await server.createApp();
  const [sender, first] = await sockets(app, 2);
  await sender.subscribe("global");
  assert.equal((await first.subscribe("global", { since: "now" })).serial, 0);
  for (let number = 1; number <= 40; number++) sender.publish("global", number);
  const seen = [];
  for (let number = 1; number <= 10; number++) seen.push((await first.expect("message")).serial);
  first.raw.terminate();
  const second = await Client.connect(server, app);
  const answer = await second.subscribe("global", { since: seen.at(-1) });
  assert.equal(answer.recovered, true);
  seen.push(...answer.events.map((event) => event.serial));
  while (seen.length < 40) seen.push((await second.expect("message")).serial);
  await second.quiet();
  assert.deepEqual(
    seen,
    Array.from({ length: 40 }, (_, index) => index + 1),
  );
});

test("the history is paged, newest first", options, async () => {
  const app = await server.createApp();
  const [reader] = await sockets(app, 1);
  for (const text of ["a", "b", "c"]) await app.publish("global", text);
  await reader.subscribe("global");
  reader.send("pusher:latest", { channel: "global", skip: 1, count: 1 });
  const { events } = JSON.parse((await reader.expect("pusher_internal:latest", "global")).data);
  assert.deepEqual(
    events.map((event) => event.data.data),
    ["b"],
  );
});

test("a ping of WebSocket and one of the protocol are answered", options, async () => {
  const app = await server.createApp();
  const [socket] = await sockets(app, 1);
  socket.raw.ping("alive?");
  const [payload] = await once(socket.raw, "pong", { signal: AbortSignal.timeout(5_000) });
  assert.equal(payload.toString(), "alive?");
  await socket.quiet();
});

test("an unknown key is closed with 4001, a frame too long with 1009", options, async () => {
  const app = await server.createApp();
  const stranger = new Client(app, `${server.wsUrl}/no-such-key`);
  await stranger.error(4001);
  assert.equal((await stranger.frame()).closed, 4001);
  const [large] = await sockets(app, 1);
  large.publish("global", "x".repeat(70_000));
  await large.error(4318);
  assert.equal((await large.frame()).closed, 1009);
});

test("a path without a key is a 404", options, async () => {
  const raw = new WebSocket(`${server.wsUrl}/`);
  const [request, answer] = await once(raw, "unexpected-response");
  assert.equal(answer.statusCode, 404);
  request.destroy();
});
