// Several Pushi objects of one key on one socket.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Server, waitUntil } from "../node/server.mjs";
import { all, clients, next, options, settled } from "./client.mjs";

let server;
let app;
let web;
before(async () => (server = await Server.start()));
afterEach(() => web?.close());
after(() => server?.stop());

async function pair() {
  app = await server.createApp();
  web = await clients(server, app);
  const [first, second] = [web.make({ share: true }), web.make({ share: true })];
  await Promise.all([first.open(), second.open()]);
  return [first, second];
}

async function sockets() {
  const answer = await fetch(`${server.url}/sockets`, { headers: { Authorization: `Bearer ${app.token}` } });
  return (await answer.json()).sockets;
}

test("they share one socket, and each has its own handlers and channels", options, async () => {
  const [first, second] = await pair();
  assert.equal(first.socketId, second.socketId);
  assert.equal(first.socket, second.socket);
  await Promise.all([first.subscribe("a").ready, second.subscribe("b").ready]);
  assert.equal((await sockets()).length, 1);
  const [heard, others] = [all(first, "message"), all(second, "message")];
  await app.publish("a", "for the first", { event: "message" });
  await app.publish("b", "for the second", { event: "message" });
  await Promise.all([settled(first), settled(second)]);
  assert.deepEqual([heard.map(([, data]) => data), others.map(([, data]) => data)], [["for the first"], ["for the second"]]);
});

test("the key alone finds the socket, as in the original", options, async () => {
  const [first] = await pair();
  const { Pushi } = web;
  const third = new Pushi(app.key);
  const fourth = first.clone();
  try {
    await Promise.all([third.open(), fourth.open()]);
    assert.deepEqual([third.socketId, fourth.socketId], [first.socketId, first.socketId]);
    assert.equal((await sockets()).length, 1);
    const other = new Pushi(app.key, { ...first.options, share: false });
    await other.open();
    assert.notEqual(other.socketId, first.socketId);
    other.clone(first);
    await other.open();
    assert.equal(other.socketId, first.socketId);
    await other.close();
  } finally {
    await Promise.all([third.close(), fourth.close()]);
  }
});

test("a channel is left when the last of them leaves it", options, async () => {
  const [first, second] = await pair();
  const [one, two] = [first.subscribe("both"), second.subscribe("both")];
  await Promise.all([one.ready, two.ready]);
  assert.deepEqual(two.data, one.data);
  const told = all(second, "unsubscribe");
  await one.unsubscribe();
  const heard = next(two, "message");
  await app.publish("both", "still here", { event: "message" });
  assert.equal((await heard)[1], "still here");
  assert.deepEqual(told, []);
  await two.unsubscribe();
  await waitUntil(async () => (await sockets())[0].channels.length === 0, "nobody is on it");
});

test("closing one leaves the others connected; the last closes the socket", options, async () => {
  const [first, second] = await pair();
  await Promise.all([first.subscribe("a").ready, second.subscribe("b").ready]);
  const disconnected = all(second, "disconnect");
  await first.close();
  assert.equal(first.state, "disconnected");
  await second.channels.b.send("say", "x");
  assert.deepEqual((await sockets())[0].channels, ["b"]);
  assert.deepEqual(disconnected, []);
  await second.close();
  await waitUntil(async () => (await sockets()).length === 0, "the socket is gone");
});

test("one that was closed for a while gets what it missed, and the other nothing twice", options, async () => {
  const [first, second] = await pair();
  const [one, two] = [first.subscribe("both"), second.subscribe("both")];
  await Promise.all([one.ready, two.ready]);
  const [heard, others] = [all(one, "message"), all(two, "message")];
  await app.publish("both", "1", { event: "message" });
  await waitUntil(() => heard.length === 1, "the first has come");
  await first.close();
  await app.publish("both", "2", { event: "message" });
  await waitUntil(() => others.length === 2, "the second has come");
  await first.open();
  await waitUntil(() => heard.length === 2, "what was missed has come");
  await settled(second);
  assert.deepEqual([heard.map(([, data]) => data), others.map(([, data]) => data)], [["1", "2"], ["1", "2"]]);
});

test("an event that was published to several channels is one event, and each channel has it", options, async () => {
  const [first] = await pair();
  const [a, b] = [first.subscribe("a"), first.subscribe("b")];
  await Promise.all([a.ready, b.ready]);
  const [heard, onA, onB] = [all(first, "message"), all(a, "message"), all(b, "message")];
  await app.publish(["a", "b"], "once", { event: "message" });
  await waitUntil(() => onA.length + onB.length === 2, "both copies have come");
  assert.equal(heard.length, 1);
});
