// The server is restarted: pusher-js reconnects and resubscribes, and with `replay` no event is missed.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Server, waitUntil } from "../node/server.mjs";
import { House, all, options, settled, state } from "./house.mjs";

let server;
let house;
before(async () => (server = await Server.start()));
afterEach(() => house?.close());
after(() => server?.stop());

// pusher-js retries a refused connection after 15 s, which is the duration of these two tests.

test("subscriptions come back after the server was killed", options, async () => {
  house = await House.open(server);
  const { client } = await house.on("news");
  const channels = ["private-room", "presence-room"].map((name) => client.subscribe(name));
  await waitUntil(() => channels.every((channel) => channel.subscribed), "on all");
  const before = client.connection.socket_id;
  await server.kill();
  await waitUntil(() => client.connection.state !== "connected", "away");
  await server.spawn();
  await state(client, "connected");
  assert.notEqual(client.connection.socket_id, before);
  await waitUntil(() => client.allChannels().every((channel) => channel.subscribed), "on all again");
  assert.deepEqual(client.allChannels().map((channel) => channel.name).sort(), ["news", "presence-room", "private-room"]);
  const heard = all(client, "e");
  await house.backend.trigger(["news", "private-room", "presence-room"], "e", "x");
  await waitUntil(() => heard.length === 3, "all three");
});

test("with replay no event is missed through a restart, and their order is kept", options, async () => {
  house = await House.open(server, { replay: { "room-": 100 } });
  const { client, channel } = await house.on("room-1");
  const heard = all(channel, "e");
  const accepted = [];
  let number = 0;
  let on = true;
  const publishing = (async () => {
    while (on) {
      const value = ++number;
      // Rejected or unanswered publishes may not have been accepted: only accepted ones are checked.
      const answer = await house.backend.trigger("room-1", "e", value).catch(() => null);
      if (answer?.status === 200) accepted.push(value);
    }
  })();
  await waitUntil(() => accepted.length >= 10, "some before");
  await server.end();
  await waitUntil(() => client.connection.state !== "connected", "away");
  await server.spawn();
  // The back end may reconnect before the clients.
  const came = accepted.length;
  await waitUntil(() => accepted.length >= came + 5, "some after the start");
  on = false;
  await publishing;
  await state(client, "connected");
  await waitUntil(() => channel.subscribed, "on it again");
  await settled(client);
  const missed = accepted.filter((value) => !heard.includes(value));
  assert.deepEqual(missed, []);
  const order = [...new Set(heard)];
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
});
