// The styles of pages: for the original, and with promises and loops.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Server, waitUntil } from "../node/server.mjs";
import { all, clients, next, options } from "./client.mjs";

let server;
let app;
let web;
before(async () => (server = await Server.start()));
afterEach(() => web.close());
after(() => server?.stop());

async function begin() {
  app = await server.createApp();
  web = await clients(server, app);
}

const say = (channel, data) => app.publish(channel, data, { event: "message" });

test("a page that subscribes and binds in connect hears everything once, also after reconnects", options, async () => {
  await begin();
  const pushi = web.make();
  const heard = [];
  let connects = 0;
  pushi.bind("connect", function () {
    connects++;
    // The original dropped its channels with the connection, so pages bind again each time.
    const channel = this.subscribe("a", false, function () {
      this.bind("other", (event, data) => heard.push(data));
    });
    channel.bind("message", (event, data) => heard.push(data));
  });
  for (const round of [1, 2, 3]) {
    await waitUntil(() => connects === round && pushi.channels.a?.subscribed, "subscribed");
    await say("a", `${round}a`);
    await app.publish("a", `${round}b`, { event: "other" });
    await waitUntil(() => heard.length >= 2 * round, "heard");
    pushi.socket.terminate();
    await next(pushi, "disconnect");
  }
  assert.deepEqual(heard, ["1a", "1b", "2a", "2b", "3a", "3b"]);
});

test("what was bound outside of connect, or the first time only, stays bound", options, async () => {
  await begin();
  const pushi = web.make();
  const heard = all(pushi.subscribe("a"), "message");
  const once = [];
  pushi.bind("connect", () => pushi.subscribe("a"));
  pushi.bind("connect", () => pushi.subscribe("b").bind("message", (event, data) => once.push(data)), true);
  for (const round of ["1", "2", "3"]) {
    await waitUntil(() => pushi.channels.b?.subscribed && pushi.channels.a.subscribed, "subscribed");
    await say("a", round);
    await say("b", round);
    await waitUntil(() => heard.length === Number(round) && once.length === Number(round), `round ${round}`);
    pushi.socket.terminate();
    await next(pushi, "disconnect");
  }
});

test("events are looped over until the channel is left", options, async () => {
  await begin();
  const channel = await web.make().subscribe("a").ready;
  const messages = channel.events("message");
  const everything = channel.events();
  for (const text of ["1", "2", "3"]) await say("a", text);
  await app.publish("a", "else", { event: "other", persist: false });
  const seen = [];
  for await (const event of messages) {
    seen.push(event);
    if (seen.length === 3) break;
  }
  assert.deepEqual(Object.keys(seen[0]).sort(), ["channel", "data", "event", "mid", "serial", "timestamp"]);
  assert.deepEqual([seen[0].event, seen[0].data, seen[0].channel, seen[0].serial], ["message", "1", "a", 1]);
  assert.deepEqual(seen.map(({ serial }) => serial), [1, 2, 3]);
  // After a break, the iteration has ended.
  assert.deepEqual(await messages.next(), { value: undefined, done: true });
  const names = [];
  const loop = (async () => {
    for await (const { event } of everything) names.push(event);
  })();
  await waitUntil(() => names.length === 4, "all were looped over");
  await channel.unsubscribe();
  await loop;
  assert.deepEqual(names, ["message", "message", "message", "other"]);
});

test("a loop goes on over a reconnect, and ends when the client is closed", options, async () => {
  await begin();
  const pushi = web.make();
  const channel = await pushi.subscribe("a").ready;
  const seen = [];
  const loop = (async () => {
    for await (const { data } of channel.events("message")) seen.push(data);
  })();
  pushi.socket.terminate();
  await next(pushi, "disconnect");
  await say("a", "meanwhile");
  await waitUntil(() => seen.length === 1, "it has come");
  await pushi.close();
  await loop;
  assert.deepEqual(seen, ["meanwhile"]);
});

test("promises are answered beside callbacks", options, async () => {
  await begin();
  const pushi = web.make();
  assert.equal(await pushi.open(), pushi);
  const channel = pushi.subscribe("a");
  assert.equal(await channel.ready, channel);
  await channel.send("message", "x");
  assert.equal((await channel.latest()).events.length, 1);
  assert.equal((await channel.unsubscribe()).name, "a");
  await pushi.close();
  // A channel whose subscription never succeeded does not block.
  const late = pushi.subscribe("b");
  const waiting = late.ready;
  await pushi.close();
  await assert.rejects(waiting, /closed/);
});

test("an error of the server belongs to its channel, and to the client", options, async () => {
  await begin();
  const pushi = web.make();
  const channel = await pushi.subscribe("a").ready;
  const [onPushi, onChannel] = [all(pushi, "error"), all(channel, "error")];
  await assert.rejects(channel.send("pusher:own", "x"), { code: 4313, name: "PushiError" });
  const [[event, error, name]] = onPushi;
  assert.deepEqual([event, error.code, error.event], ["error", 4313, "pusher:own"]);
  // The server rejects the event's name before it reads the channel.
  assert.equal(name, "");
  await assert.rejects(pushi.sendChannel("say", "x", "elsewhere"), { code: 4317, channel: "elsewhere" });
  pushi.sendEvent("pusher:latest", { channel: "a", skip: -1 });
  await waitUntil(() => onChannel.length === 1, "on the channel");
  assert.deepEqual([onChannel[0][1].code, onChannel[0].length], [4314, 2]);
  assert.deepEqual(onPushi.map(([, { code }]) => code), [4313, 4317, 4314]);
});

test("a handler that throws is reported, and keeps nothing from the others", options, async () => {
  await begin();
  const channel = await web.make().subscribe("a").ready;
  const reported = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => reported.push(error.message));
  try {
    channel.bind("message", () => {
      throw new Error("the page's mistake");
    });
    const heard = all(channel, "message");
    await say("a", "1");
    await say("a", "2");
    await waitUntil(() => heard.length === 2, "the other handler has both");
    assert.deepEqual(reported, ["the page's mistake", "the page's mistake"]);
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
  }
});

test("addresses are taken in all forms, and what cannot be one is refused with advice", options, async () => {
  await begin();
  const { Pushi } = web;
  const port = server.wsPort;
  const forms = [`ws://127.0.0.1:${port}`, `ws://127.0.0.1:${port}/`, `http://127.0.0.1:${port}`, server.url];
  for (const baseUrl of forms) {
    const pushi = web.make({ baseUrl });
    await pushi.open();
    assert.match(pushi.url, new RegExp(`^ws://127.0.0.1:\\d+/${app.key}$`));
    assert.match(pushi.baseWebUrl, /^http:\/\/127.0.0.1:\d+\/$/);
  }
  for (const baseUrl of ["", "nonsense", "file:///tmp", null, undefined]) {
    assert.throws(() => new Pushi("k", { baseUrl, share: false }), /baseUrl/, String(baseUrl));
  }
  assert.throws(() => new Pushi(undefined), /key/);
  assert.equal(web.make({ baseUrl: "ws://127.0.0.1:1", timeout: null }).timeout, 5_000);
});
