// The connection is lost and restored: no event is missed or duplicated.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, afterEach, before, test } from "node:test";

import WebSocket, { WebSocketServer } from "ws";

import { Server, waitUntil } from "../node/server.mjs";
import { all, clients, next, options, settled } from "./client.mjs";
import { Network } from "./network.mjs";

let server;
let app;
let web;
let network;
before(async () => (server = await Server.start({ PUSHI_MAX_REPLAY: "20" })));
afterEach(async () => {
  await web.close();
  await network.stop();
});
after(() => server?.stop());

async function begin() {
  app = await server.createApp();
  web = await clients(server, app);
  network = await Network.to(server.wsPort);
}

const over = (settings) => web.make({ baseUrl: network.wsUrl, ...settings });
const texts = (events) => events.map(([, data]) => data);
const publish = (channel, ...data) => data.reduce((done, one) => done.then(() => app.publish(channel, one, { event: "message" })), Promise.resolve());

test("subscriptions come back, with what was missed, in order and once", options, async () => {
  await begin();
  const pushi = over();
  const channel = pushi.subscribe("a");
  const heard = all(channel, "message");
  const states = all(pushi, "subscribe");
  await channel.ready;
  await publish("a", "1", "2");
  await waitUntil(() => heard.length === 2, "live events");
  network.break();
  await next(pushi, "disconnect");
  assert.equal(channel.subscribed, false);
  await publish("a", "3", "4");
  network.mend();
  await channel.ready;
  await publish("a", "5");
  await waitUntil(() => heard.length >= 5, "all events");
  await settled(pushi);
  assert.deepEqual(texts(heard), ["1", "2", "3", "4", "5"]);
  assert.equal(new Set(heard.map(([, , mid]) => mid)).size, 5);
  assert.equal(states.length, 2);
  assert.deepEqual(channel.data.events, []);
});

test("also where nothing had come before, and over several losses", options, async () => {
  await begin();
  const pushi = over();
  const channel = pushi.subscribe("a");
  const heard = all(channel, "message");
  await channel.ready;
  for (const round of ["1", "2", "3"]) {
    network.break();
    await next(pushi, "disconnect");
    await publish("a", round);
    network.mend();
    await channel.ready;
    await waitUntil(() => heard.length === Number(round), `round ${round}`);
  }
  assert.deepEqual(texts(heard), ["1", "2", "3"]);
});

test("more than one answer holds comes page by page, without a gap", options, async () => {
  await begin();
  const pushi = over();
  const channel = pushi.subscribe("a");
  const heard = all(channel, "message");
  const gaps = all(pushi, "gap");
  await channel.ready;
  await publish("a", "1");
  await waitUntil(() => heard.length === 1, "a live event");
  network.break();
  await next(pushi, "disconnect");
  await publish("a", ...Array.from({ length: 50 }, (_, index) => String(index + 2)));
  network.mend();
  await channel.ready;
  await publish("a", "52");
  await waitUntil(() => texts(heard).at(-1) === "52", "live events again");
  assert.deepEqual(texts(heard), Array.from({ length: 52 }, (_, index) => String(index + 1)));
  assert.deepEqual(gaps, []);
});

test("own events that were not to be echoed do not come with a replay", options, async () => {
  await begin();
  const pushi = over();
  const channel = pushi.subscribe("a");
  const heard = all(channel, "message");
  await channel.ready;
  await channel.send("message", "own");
  network.cut();
  await channel.ready;
  await next(pushi, "connect");
  await channel.ready;
  await channel.send("message", "own, echoed", true);
  await settled(pushi);
  assert.deepEqual(texts(heard), ["own, echoed"]);
});

test("what is sent while there is no connection waits for it", options, async () => {
  await begin();
  network.break();
  const pushi = over();
  const channel = pushi.subscribe("a");
  const stored = ["1", "2", "3"].map((text) => channel.send("message", text));
  const reader = web.make();
  const heard = all(await reader.subscribe("a").ready, "message");
  network.mend();
  assert.deepEqual((await Promise.all(stored)).map(({ serial }) => serial), [1, 2, 3]);
  await waitUntil(() => heard.length === 3, "all have come");
  assert.deepEqual(texts(heard), ["1", "2", "3"]);
  const waiting = web.make({ baseUrl: "ws://127.0.0.1:1/" }).subscribe("a");
  const never = waiting.send("message", "x");
  waiting.pushi.close();
  await assert.rejects(never, /closed/);
});

test("a publish whose acknowledgement was lost is told what became of it", options, async () => {
  await begin();
  const pushi = over();
  const channel = pushi.subscribe("a");
  await channel.ready;
  const heard = all(channel, "message");
  const reader = web.make();
  const arrived = next(await reader.subscribe("a").ready, "message");
  // The response is lost, the publish is not.
  pushi.socket.pause();
  const stored = channel.send("message", "stored");
  const [, , mid, timestamp] = await arrived;
  network.cut();
  pushi.socket.terminate();
  assert.deepEqual(await stored, { mid, serial: 1, timestamp });
  network.freeze();
  const lost = channel.send("message", "swallowed");
  network.thaw();
  await assert.rejects(lost, /may or may not/);
  await channel.ready;
  await settled(pushi);
  assert.deepEqual(heard, []);
});

test("a server that begins anew is followed", options, async () => {
  await begin();
  // Like a server that stores events in memory and was restarted.
  const memory = await Server.start({ DATABASE_URL: "sqlite::memory:", PUSHI_APP_ID: "m", PUSHI_APP_KEY: "m", PUSHI_APP_SECRET: "m" });
  try {
    const pushi = web.make({ baseUrl: memory.wsUrl }, "m");
    const channel = pushi.subscribe("a");
    await channel.ready;
    const heard = all(channel, "message");
    const [onPushi, onChannel] = [all(pushi, "gap"), all(channel, "gap")];
    for (let number = 0; number < 3; number++) await channel.send("message", "of before", true);
    await memory.end();
    await memory.spawn();
    const other = web.make({ baseUrl: memory.wsUrl }, "m");
    const writer = await other.subscribe("a").ready;
    await writer.send("message", "after");
    await waitUntil(() => texts(heard).includes("after"), "the new event");
    assert.equal(heard.length, 4);
    const [[event, gap]] = onChannel;
    assert.deepEqual([event, gap.name, gap.since], ["gap", "a", 3]);
    assert.deepEqual(onPushi, [["gap", "a", gap]]);
  } finally {
    await memory.stop();
  }
});

test("a half-open connection is noticed within the activity time", options, async () => {
  await begin();
  const pushi = over({ activityTimeout: 900 });
  const channel = pushi.subscribe("a");
  await channel.ready;
  const heard = next(channel, "message", 20);
  network.freeze();
  const frozen = Date.now();
  await next(pushi, "disconnect");
  const noticed = Date.now() - frozen;
  assert.ok(noticed >= 500 && noticed < 1_500, `noticed after ${noticed} ms`);
  await publish("a", "meanwhile");
  network.thaw();
  assert.equal((await heard)[1], "meanwhile");
});

test("a silent connection is kept: the server answers pings", options, async () => {
  await begin();
  let pings = 0;
  class Counting extends WebSocket {
    send(data) {
      if (JSON.parse(data).event === "pusher:ping") pings++;
      super.send(data);
    }
  }
  const pushi = over({ activityTimeout: 150, WebSocket: Counting });
  await pushi.open();
  const disconnected = all(pushi, "disconnect");
  const id = pushi.socketId;
  await waitUntil(() => pings === 6, "six pings");
  assert.deepEqual([disconnected, pushi.socketId], [[], id]);
});

/** A server that greets and closes each connection with the next of `codes`; returns the times of connections. */
async function closing(...codes) {
  const fake = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(fake, "listening");
  const times = [];
  fake.on("connection", (socket) => {
    times.push(Date.now());
    const code = codes.shift();
    socket.send(JSON.stringify({ event: "pusher:connection_established", data: '{"socket_id":"1.2"}' }));
    if (code !== undefined) socket.close(code);
  });
  return { fake, times, url: `ws://127.0.0.1:${fake.address().port}/` };
}

test("a server that stops (4200) is left for another at once", options, async () => {
  await begin();
  const { fake, times, url } = await closing(4200, 4200);
  try {
    web.make({ baseUrl: url, timeout: 60_000 });
    await waitUntil(() => times.length === 3, "it came back twice");
    assert.ok(times[2] - times[0] < 300, `${times[2] - times[0]} ms`);
  } finally {
    fake.close();
  }
});

test("codes 4001 to 4099 are final, until the page opens it again", options, async () => {
  await begin();
  for (const code of [4001, 4099]) {
    const { fake, times, url } = await closing(code);
    try {
      const pushi = web.make({ baseUrl: url, timeout: 1 });
      const channel = pushi.subscribe("a");
      const sent = channel.send("say", "x");
      const [, error] = await next(pushi, "error");
      assert.equal(error.code, code);
      await assert.rejects(channel.ready, { code });
      await assert.rejects(sent, { code });
      // Other clients connect and disconnect during the time in which it would have reconnected.
      for (let other = 0; other < 10; other++) {
        const socket = new WebSocket(url);
        await once(socket, "open");
        socket.terminate();
      }
      assert.deepEqual([times.length, pushi.state], [11, "disconnected"]);
      await pushi.open();
      assert.equal(times.length, 12);
      await pushi.close();
    } finally {
      fake.close();
    }
  }
  const stranger = web.make({}, "no-such-key");
  const errors = all(stranger, "error");
  await assert.rejects(stranger.open(), { code: 4001 });
  assert.equal(errors.length, 1);
  assert.match(errors[0][1].message, /key/);
});

test("waits grow, are random, and are at most timeout", options, async () => {
  await begin();
  const script = await (await fetch(`${server.url}/pushi.js`)).text();
  const waits = [];
  // What is less than the time a connection may take is a wait before an attempt; and nothing is waited for.
  const record = (work, time) => setTimeout(work, time > 9_000 ? time : (waits.push(Math.round(time)), 0));
  const random = Object.create(Math, { random: { value: () => 0.999 } });
  // The script's own timers and random numbers: those of the process are also used by Node.
  const Pushi = new Function("setTimeout", "Math", "module", `${script}; return Pushi`)(record, random);
  const refused = new Pushi("key", { baseUrl: "ws://127.0.0.1:1/", WebSocket, timeout: 5_000, global: false, share: false });
  await waitUntil(() => waits.length >= 6, "six attempts");
  await refused.close();
  assert.deepEqual(waits.slice(0, 6), [500, 999, 1998, 3996, 4995, 4995]);
});
