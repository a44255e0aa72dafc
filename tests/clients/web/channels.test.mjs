// Private, presence, personal and peer channels, and their authorization.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Server, waitUntil } from "../node/server.mjs";
import { Backend } from "./backend.mjs";
import { all, clients, next, options, settled } from "./client.mjs";

let server;
let app;
let web;
let backend;
before(async () => (server = await Server.start()));
afterEach(async () => {
  await web.close();
  await backend.stop();
});
after(() => server?.stop());

async function begin(members) {
  app = await server.createApp();
  web = await clients(server, app);
  backend = await Backend.start(app, members);
}

const members = ({ name }) => ({ user_id: name, peer: true });
const user = (name) => web.make({ authEndpoint: `${backend.url}?name=${name}` });

async function follow(name, channel, method = "POST") {
  const headers = { Authorization: `Bearer ${app.token}`, "Content-Type": "application/json" };
  const path = method === "POST" ? "subscriptions" : `subscriptions/${name}/${channel}`;
  const body = method === "POST" ? JSON.stringify({ user_id: name, event: channel }) : undefined;
  const answer = await fetch(`${server.url}/${path}`, { method, headers, body });
  assert.equal(answer.status, 200);
}

test("the auth endpoint is asked with the socket and the channel, and headers", options, async () => {
  await begin();
  const pushi = web.make({ authEndpoint: backend.url, authHeaders: { "X-Token": "t" } });
  const channel = pushi.subscribe("private-a & b");
  assert.equal(await channel.ready, channel);
  const [{ query, headers }] = backend.asked;
  assert.deepEqual(query, { socket_id: pushi.socketId, channel: "private-a & b" });
  assert.equal(headers["x-token"], "t");
  await pushi.subscribe("public").ready;
  assert.equal(backend.asked.length, 1);
  const late = web.make({ authEndpoint: backend.url, authHeaders: async () => ({ "X-Token": "later" }) });
  await late.subscribe("private-b").ready;
  assert.equal(backend.asked[1].headers["x-token"], "later");
});

test("an authorizer may sign, and may take its time", options, async () => {
  await begin();
  const asked = [];
  const authorizer = async (socketId, channel) => {
    asked.push([socketId, channel]);
    await new Promise((done) => setTimeout(done, 20));
    return { auth: app.sign(socketId, channel), channel_data: { user_id: "ann" } };
  };
  const pushi = web.make({ authorizer });
  const channel = await pushi.subscribe("presence-room").ready;
  assert.deepEqual(asked, [[pushi.socketId, "presence-room"]]);
  assert.deepEqual(channel.data.members, { ann: { user_id: "ann" } });
  const plain = web.make({ authorizer: (socketId, name) => app.sign(socketId, name) });
  await plain.subscribe("private-a").ready;
  const own = web.make({ appSecret: app.secret });
  await own.subscribe("private-b").ready;
});

test("who fails to sign is told on the channel and on the client", options, async () => {
  await begin();
  const pushi = web.make({ authEndpoint: backend.url });
  const onPushi = all(pushi, "error");
  const refused = async (name, answer, code, text) => {
    backend.instead = answer;
    const channel = pushi.subscribe(name);
    const told = next(channel, "error");
    const rejected = channel.ready.then(
      () => assert.fail(`${name} is subscribed`),
      (error) => error,
    );
    const [event, error, ...rest] = await told;
    assert.deepEqual([event, error.code, error.channel, rest], ["error", code, name, []]);
    assert.match(error.message, text);
    assert.ok(error instanceof web.PushiError && error instanceof Error);
    assert.equal(await rejected, error);
    assert.deepEqual(onPushi.at(-1), ["error", error, name]);
    assert.equal(channel.subscribed, false);
    await assert.rejects(channel.send("say", "x"), web.PushiError);
    return channel;
  };
  const first = await refused("private-a", 403, 403, /answered 403/);
  await refused("private-b", "no JSON", 200, /no JSON/);
  await refused("private-c", {}, 0, /no auth/);
  await refused("private-d", { auth: `${app.key}:00` }, 4009, /signature/);
  await refused("presence-a", { auth: app.sign(pushi.socketId, "presence-a") }, 4316, /user_id/);
  // A repeated subscription by the page may be allowed now.
  backend.instead = null;
  assert.equal(pushi.subscribe("private-a"), first);
  await first.ready;
  const none = web.make();
  const told = next(none, "error");
  none.subscribe("private-a");
  assert.match((await told)[1].message, /authEndpoint/);
});

test("a back end that is away for a moment is asked again", options, async () => {
  await begin();
  const pushi = web.make({ authEndpoint: backend.url });
  const errors = all(pushi, "error");
  backend.instead = 503;
  const channel = pushi.subscribe("private-a");
  await assert.rejects(channel.ready, { code: 503 });
  backend.instead = null;
  await next(channel, "subscribe");
  assert.ok(errors.length >= 1);
});

test("users come and go", options, async () => {
  await begin(members);
  const [ann, bo] = [user("ann"), user("bo")];
  const room = await ann.subscribe("presence-room").ready;
  const came = next(ann, "member_added");
  const onChannel = next(room, "member_added");
  const there = await bo.subscribe("presence-room").ready;
  assert.deepEqual(await came, ["member_added", "presence-room", { user_id: "bo", peer: true }]);
  assert.deepEqual(await onChannel, ["member_added", { user_id: "bo", peer: true }]);
  assert.deepEqual(Object.keys(there.data.members).sort(), ["ann", "bo"]);
  assert.deepEqual(room.data.members, there.data.members);
  const went = next(ann, "member_removed");
  await bo.close();
  assert.deepEqual(await went, ["member_removed", "presence-room", { user_id: "bo", peer: true }]);
  assert.deepEqual(Object.keys(room.data.members), ["ann"]);
});

test("peers talk without subscribing, and keep a history", options, async () => {
  await begin(members);
  const [ann, bo, cy] = ["ann", "bo", "cy"].map(user);
  const room = await ann.subscribe("presence-room").ready;
  const both = next(room, "member_added");
  await bo.subscribe("presence-room").ready;
  await both;
  await cy.subscribe("presence-room").ready;
  const overheard = all(cy, "say");
  const heard = next(bo, "say");
  const peer = "peer-room:ann&bo";
  const { mid, timestamp } = await ann.sendChannel("say", "between us", peer);
  assert.deepEqual(await heard, ["say", "between us", peer, mid, timestamp]);
  assert.equal((await bo.latest(peer)).events[0].mid, mid);
  // With a subscription, missed events are replayed: two of the three users stay, so the channel exists.
  const three = "peer-room:ann&bo&cy";
  const channel = await bo.subscribe(three).ready;
  const missed = all(channel, "say");
  bo.socket.terminate();
  await next(ann, "member_removed");
  await ann.sendChannel("say", "while you were away", three);
  await channel.ready;
  await ann.sendChannel("say", "and now", three);
  await waitUntil(() => missed.length === 2, "both have come");
  assert.deepEqual(missed.map(([, data]) => data), ["while you were away", "and now"]);
  await settled(cy);
  assert.deepEqual(overheard.map(([, , channel]) => channel), [three, three]);
});

test("a peer channel waits for the other user, also after a restart", options, async () => {
  await begin(members);
  const peer = "peer-room:ann&bo";
  const [ann, bo] = ["ann", "bo"].map(user);
  const errors = [...[ann, bo].map((pushi) => all(pushi, "error"))];
  await ann.subscribe("presence-room").ready;
  const early = ann.subscribe(peer);
  const waiting = early.send("say", "once you are there");
  await settled(ann);
  assert.equal(early.subscribed, false);
  await bo.subscribe("presence-room").ready;
  const heard = all(bo.subscribe(peer), "say");
  await waiting;
  await waitUntil(() => heard.length === 1, "it has come");
  await server.end();
  await server.spawn();
  await Promise.all([early.ready, bo.channels[peer].ready]);
  await early.send("say", "again");
  await waitUntil(() => heard.length === 2, "it has come again");
  assert.deepEqual(errors, [[], []]);
});

test("aliases appear and disappear with the personal channel", options, async () => {
  await begin();
  await follow("u1", "news");
  await follow("u1", "private-orders");
  await app.publish("news", "missed", { event: "message" });
  const pushi = web.make({ authEndpoint: backend.url });
  const told = all(pushi, "subscribe");
  const personal = pushi.subscribe("personal-u1");
  await personal.ready;
  assert.deepEqual(personal.data.alias.toSorted(), ["news", "private-orders"]);
  assert.deepEqual(personal.data.events.map((event) => event.data.data), ["missed"]);
  assert.deepEqual(Object.keys(pushi.channels).sort(), ["news", "personal-u1", "private-orders"]);
  assert.deepEqual(told.map(([, name]) => name).sort(), ["news", "personal-u1", "private-orders"]);
  assert.ok(pushi.channels.news.subscribed);
  assert.equal(backend.asked.length, 1);

  const onAlias = next(pushi.channels.news, "message");
  const onPushi = next(pushi, "message");
  await app.publish("news", "a", { event: "message" });
  assert.equal((await onAlias)[1], "a");
  assert.deepEqual((await onPushi).slice(0, 3), ["message", "a", "news"]);
  const direct = next(personal, "message");
  await app.publish("personal-u1", "for you", { event: "message" });
  assert.equal((await direct)[1], "for you");

  const gone = next(pushi, "unsubscribe");
  await follow("u1", "news", "DELETE");
  assert.equal((await gone)[1], "news");
  assert.equal(pushi.channels.news, undefined);
  const came = next(pushi, "subscribe");
  await follow("u1", "blog");
  assert.equal((await came)[1], "blog");
  const left = all(pushi, "unsubscribe");
  await personal.unsubscribe();
  assert.deepEqual(left.map(([, name]) => name).sort(), ["blog", "personal-u1", "private-orders"]);
  assert.deepEqual(Object.keys(pushi.channels), []);
});

test("what a user missed of an alias comes after a reconnect, once", options, async () => {
  await begin();
  for (const name of ["news", "blog", "quiet"]) await follow("u1", name);
  await app.publish("news", "before", { event: "message" });
  const pushi = web.make({ authEndpoint: backend.url });
  const heard = all(pushi, "message");
  const gaps = all(pushi, "gap");
  const personal = await pushi.subscribe("personal-u1").ready;
  await app.publish("blog", "1", { event: "message" });
  await settled(pushi);
  await waitUntil(() => heard.length === 1, "the first has come");
  pushi.socket.terminate();
  await next(pushi, "disconnect");
  for (const name of ["news", "personal-u1", "blog", "quiet"]) await app.publish(name, `to ${name}`, { event: "message" });
  await personal.ready;
  await app.publish("quiet", "live", { event: "message" });
  await waitUntil(() => heard.length >= 6, "all have come");
  await settled(pushi);
  assert.deepEqual(heard.map(([, data]) => data).toSorted(), ["1", "live", "to blog", "to news", "to personal-u1", "to quiet"]);
  assert.deepEqual(personal.data.events, []);
  assert.deepEqual(gaps, []);
});
