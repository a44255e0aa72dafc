// The original client's interface: its methods, and the arguments of handlers.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Server, waitUntil } from "../node/server.mjs";
import { all, clients, next, options, settled } from "./client.mjs";

let server;
let app;
let web;
before(async () => {
  server = await Server.start();
  app = await server.createApp();
  web = await clients(server, app);
});
afterEach(() => web.close());
after(() => server?.stop());

let names = 0;
const fresh = (prefix = "") => `${prefix}channel-${++names}`;

test("who only binds hears global, with all five arguments", options, async () => {
  const pushi = web.make({ global: true });
  const heard = next(pushi, "message");
  await next(pushi, "subscribe");
  await app.publish("global", "hello world", { event: "message" });
  const [event, data, channel, mid, timestamp, ...rest] = await heard;
  assert.deepEqual([event, data, channel, rest], ["message", "hello world", "global", []]);
  assert.match(mid, /^[0-9a-f]{32}$/);
  assert.ok(Math.abs(timestamp - Date.now() / 1000) < 60);
  // Also if it is bound after the connection is established.
  const late = web.make({ global: true });
  await late.open();
  late.bind("message", () => {});
  assert.equal((await next(late, "subscribe"))[1], "global");
});

test("global is left alone where it was turned off, or something was subscribed to", options, async () => {
  const off = web.make({ global: false });
  const other = web.make({ global: true });
  const lifecycle = web.make({ global: true });
  for (const pushi of [off, other]) pushi.bind("message", () => {});
  other.subscribe(fresh());
  lifecycle.bind("subscribe", () => {});
  await Promise.all([off, other, lifecycle].map((pushi) => pushi.open()));
  // In `connect`, like pages written for the original.
  const page = web.make({ global: true });
  const inside = fresh();
  page.bind("message", () => {});
  page.bind("connect", function () {
    this.subscribe(inside);
  });
  await next(page, "subscribe");
  await settled(page);
  for (const pushi of [off, other, page, lifecycle]) assert.equal(pushi.channels.global, undefined);
});

test("handlers get the object they were bound on as this, and what the original gave", options, async () => {
  const pushi = web.make();
  const name = fresh();
  const connected = new Promise((done) =>
    pushi.bind("connect", function (...values) {
      done([this, values]);
    }),
  );
  const onPushi = next(pushi, "subscribe");
  const channel = pushi.subscribe(name);
  const onChannel = new Promise((done) =>
    channel.bind("subscribe", function (...values) {
      done([this, values]);
    }),
  );
  assert.deepEqual(await connected, [pushi, ["connect"]]);
  assert.match(pushi.socketId, /^\d+\.\d+$/);
  assert.equal(pushi.state, "connected");
  const [event, told, state] = await onPushi;
  assert.deepEqual([event, told, state.name, state.members, state.alias, state.events], ["subscribe", name, name, {}, [], []]);
  assert.deepEqual(await onChannel, [channel, ["subscribe", state]]);
  assert.deepEqual([channel.name, channel.data, channel.subscribed, pushi.channels[name]], [name, state, true, channel]);

  const message = next(channel, "message");
  await app.publish(name, { x: 1 }, { event: "message" });
  const [, data, mid, timestamp, ...rest] = await message;
  assert.deepEqual([data, rest], ['{"x":1}', []]);
  assert.ok(mid.length === 32 && timestamp > 0);
  const unstored = next(channel, "message");
  await app.publish(name, "gone", { event: "message", persist: false });
  assert.deepEqual(await unstored, ["message", "gone", undefined, undefined]);

  const disconnected = next(pushi, "disconnect");
  await pushi.close();
  assert.deepEqual(await disconnected, ["disconnect"]);
  assert.deepEqual([pushi.state, pushi.socketId, channel.subscribed], ["disconnected", null, false]);
});

test("handlers are bound, bound once, taken back, and triggered by the page itself", options, () => {
  const pushi = web.make();
  const seen = [];
  const handler = (...values) => seen.push(values);
  pushi.bind("mine", handler);
  pushi.bind("mine", (...values) => seen.push(["once", ...values]), true);
  pushi.trigger("mine", 1, 2);
  pushi.trigger("mine", 3);
  pushi.unbind("mine", handler);
  pushi.trigger("mine", 4);
  assert.deepEqual(seen, [
    ["mine", 1, 2],
    ["once", "mine", 1, 2],
    ["mine", 3],
  ]);
  assert.throws(() => pushi.bind("mine", undefined), TypeError);
});

test("one handler takes another back while an event is handled", options, () => {
  const pushi = web.make();
  const seen = [];
  const second = () => seen.push("second");
  pushi.bind("mine", () => pushi.unbind("mine", second));
  pushi.bind("mine", second);
  pushi.bind("mine", () => seen.push("third"));
  pushi.trigger("mine");
  assert.deepEqual(seen, ["third"]);
});

test("subscribe answers the channel at once and calls back once", options, async () => {
  const pushi = web.make();
  const name = fresh();
  const calls = [];
  const callback = function (...values) {
    calls.push([this.name, ...values]);
  };
  const channel = pushi.subscribe(name, false, callback);
  assert.equal(pushi.subscribe(name), channel);
  await channel.ready;
  assert.deepEqual(calls, [[name, "subscribe", channel.data]]);
  // An existing subscription needs no request, unless forced.
  const events = all(channel, "subscribe");
  await new Promise((done) => pushi.subscribe(name, false, done));
  assert.equal(events.length, 0);
  await new Promise((done) => pushi.subscribe(name, true, done));
  assert.equal(events.length, 1);
  assert.equal(calls.length, 1);
});

test("unsubscribe calls back, and nothing comes any more", options, async () => {
  const pushi = web.make();
  const name = fresh();
  const other = fresh();
  const channel = pushi.subscribe(name);
  const rest = pushi.subscribe(other);
  await Promise.all([channel.ready, rest.ready]);
  const messages = all(pushi, "message");
  const told = next(pushi, "unsubscribe");
  const [event, state] = await new Promise((done) => pushi.unsubscribe(name, (...values) => done(values)));
  assert.deepEqual([event, state.name], ["unsubscribe", name]);
  assert.deepEqual(await told, ["unsubscribe", name, state]);
  assert.deepEqual([channel.subscribed, pushi.channels[name]], [false, undefined]);
  await app.publish(name, "nobody is there", { event: "message" });
  const [, data] = await new Promise((done) => rest.unsubscribe((...values) => done(values)));
  assert.equal(data.name, other);
  assert.deepEqual(messages, []);
  assert.equal(await pushi.unsubscribe("never subscribed"), undefined);
  // An unsubscribed channel can be subscribed again immediately.
  const again = pushi.subscribe(name);
  pushi.unsubscribe(name);
  const once = pushi.subscribe(name);
  await once.ready;
  assert.notEqual(again, once);
  const heard = next(once, "message");
  await app.publish(name, "back", { event: "message" });
  assert.equal((await heard)[1], "back");
});

test("latest answers the history, newest first, by callback, event and promise", options, async () => {
  const pushi = web.make();
  const name = fresh();
  for (let number = 0; number < 12; number++) await app.publish(name, String(number), { event: "message" });
  const channel = pushi.subscribe(name);
  const texts = (data) => data.events.map((one) => one.data.data);
  const onPushi = next(pushi, "latest");
  const [event, data] = await new Promise((done) => channel.latest(1, 2, (...values) => done(values)));
  assert.deepEqual([event, texts(data)], ["latest", ["10", "9"]]);
  assert.deepEqual(await onPushi, ["latest", name, data]);
  assert.deepEqual(texts(await pushi.latest(name)), ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
  // Responses arrive in the order of the requests.
  const [first, second] = await Promise.all([channel.latest(0, 1), channel.latest(3, 1)]);
  assert.deepEqual([texts(first), texts(second)], [["11"], ["8"]]);
  await assert.rejects(pushi.latest("not subscribed"), /not subscribed/);
});

test("sends reach the others, with echo the sender too, and are stored unless told otherwise", options, async () => {
  const [sender, reader] = [web.make(), web.make()];
  const name = fresh();
  const [here, there] = [sender.subscribe(name), reader.subscribe(name)];
  await there.ready;
  const [own, others] = [all(here, "say"), all(there, "say")];
  const stored = await here.send("say", "a");
  assert.deepEqual(Object.keys(stored).sort(), ["mid", "serial", "timestamp"]);
  assert.equal(stored.serial, 1);
  assert.equal((await here.send("say", { b: [1] }, true)).serial, 2);
  assert.equal(await here.send("say", "c", true, false), undefined);
  assert.equal((await sender.sendChannel("say", "d", name)).serial, 3);
  await waitUntil(() => others.length === 4 && own.length === 2, "all have come");
  assert.deepEqual(others[0], ["say", "a", stored.mid, stored.timestamp]);
  assert.deepEqual(
    others.map(([, data]) => data),
    ["a", '{"b":[1]}', "c", "d"],
  );
  assert.deepEqual(
    own.map(([, data]) => data),
    ['{"b":[1]}', "c"],
  );
  const pong = next(sender, "error");
  sender.sendEvent("say", "to no channel");
  assert.equal((await pong)[1].code, 4314);
});

test("invalidate forgets, so that the next subscribe asks again", options, async () => {
  const pushi = web.make();
  const names = [fresh(), fresh(), fresh()];
  const channels = names.map((name) => pushi.subscribe(name));
  await Promise.all(channels.map((channel) => channel.ready));
  pushi.invalidate(names[0]);
  assert.deepEqual(Object.keys(pushi.channels), names.slice(1));
  const again = pushi.subscribe(names[0]);
  assert.notEqual(again, channels[0]);
  await again.ready;
  pushi.invalidate();
  assert.deepEqual(Object.keys(pushi.channels), []);
});

test("it is closed, opened and reopened, and its channels come back", options, async () => {
  const pushi = web.make();
  const channel = pushi.subscribe(fresh());
  await channel.ready;
  const ids = [pushi.socketId];
  await new Promise((done) => pushi.close(done));
  assert.equal(pushi.state, "disconnected");
  await assert.rejects(channel.send("say", "nobody"), /closed/);
  await app.publish(channel.name, "meanwhile", { event: "message" });
  const missed = next(channel, "message");
  await new Promise((done) => pushi.open(done));
  assert.equal(pushi.state, "connected");
  ids.push(pushi.socketId);
  assert.equal((await missed)[1], "meanwhile");
  await new Promise((done) => pushi.reopen(done));
  ids.push(pushi.socketId);
  await channel.ready;
  assert.equal(new Set(ids).size, 3);
});

test("it is reconfigured for another app", options, async () => {
  const other = await server.createApp();
  const pushi = web.make();
  const channel = pushi.subscribe("global");
  await channel.ready;
  await app.publish("global", "counts in the first app", { event: "message" });
  await new Promise((done) => pushi.reconfig(other.key, {}, done));
  assert.equal(pushi.appKey, other.key);
  await channel.ready;
  const heard = next(pushi, "message");
  await other.publish("global", "from the other", { event: "message" });
  assert.equal((await heard)[1], "from the other");
});

test("a frame of the page's own making is sent", options, async () => {
  const [sender, reader] = [web.make(), web.make()];
  const name = fresh();
  await Promise.all([sender, reader].map((one) => one.subscribe(name).ready));
  const heard = next(reader, "say");
  const frame = { event: "say", channel: name, data: "a", persist: true };
  assert.equal((await sender.send(frame)).serial, 1);
  assert.deepEqual(frame, { event: "say", channel: name, data: "a", persist: true });
  assert.equal((await heard)[1], "a");
  // Sent before the connection is established: queued.
  const late = web.make();
  const refused = next(late, "error");
  late.send({ event: "pusher:latest", data: { channel: name, skip: -1 } });
  assert.equal((await refused)[1].code, 4314);
});

test("a channel's object is there without a subscription", options, async () => {
  const pushi = web.make();
  const name = fresh();
  const channel = pushi.ensureChannel(name);
  assert.deepEqual([channel.name, channel.subscribed, pushi.channels[name]], [name, false, channel]);
  assert.equal(pushi.ensureChannel(name), channel);
  const heard = next(channel, "message");
  assert.equal(await pushi.subscribe(name).ready, channel);
  await app.publish(name, "x", { event: "message" });
  assert.equal((await heard)[1], "x");
});

test("an object is valid for its own app and server", options, () => {
  const pushi = web.make();
  for (const base of [server.wsUrl, `${server.wsUrl}/`, pushi.baseUrl]) assert.equal(pushi.isValid(app.key, base), true, base);
  for (const [key, base] of [["other", pushi.baseUrl], [app.key, "ws://127.0.0.1:1/"], [app.key, undefined], [app.key, "::"], []]) {
    assert.equal(pushi.isValid(key, base), false);
  }
});

test("the client has the server's version", options, async () => {
  const { info } = await (await fetch(`${server.url}/openapi.json`)).json();
  assert.equal(web.Pushi.VERSION, info.version);
});

test("pages make observables of their own, also with the methods alone", options, () => {
  class Model extends web.Observable {}
  function Old() {}
  for (const method of ["bind", "unbind", "trigger"]) Old.prototype[method] = web.Observable.prototype[method];
  for (const [one, other] of [[new web.Observable(), new web.Observable()], [new Model(), new Model()], [new Old(), new Old()]]) {
    const heard = all(one, "change");
    const handler = () => heard.push("once");
    one.bind("change", handler, true);
    one.trigger("change", 1);
    other.trigger("change", 2);
    one.unbind("change");
    one.trigger("change", 3);
    assert.deepEqual(heard, [["change", 1], "once"]);
  }
  assert.ok(web.make() instanceof web.Observable);
});
