// Fifty clients, each with its own socket, and server restarts during a stream of events.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Server, waitUntil } from "../node/server.mjs";
import { clients } from "./client.mjs";

// … and ten more that share one.
const CLIENTS = 60;
const EVENTS = 600;

let server;
before(async () => (server = await Server.start({ PUSHI_DRAIN_SECONDS: "1" })));
after(() => server?.stop());

test("no client misses or doubles an event", { timeout: 180_000 }, async () => {
  const app = await server.createApp();
  const web = await clients(server, app);
  const channels = Array.from({ length: CLIENTS }, (_, index) => {
    return web.make({ timeout: 1_000, share: index >= 50 }).subscribe("stream");
  });
  const seen = channels.map(() => []);
  channels.forEach((channel, index) => channel.bind("message", (event, data, mid) => seen[index].push([data, mid])));
  const gaps = [];
  for (const { pushi } of channels) pushi.bind("gap", (...values) => gaps.push(values));
  await Promise.all(channels.map((channel) => channel.ready));

  // Retried until the response confirms it, like a back end does: with the same key it is stored once.
  let published = 0;
  const publish = async (number) => {
    const headers = { Authorization: `Bearer ${app.token}`, "Content-Type": "application/json", "Idempotency-Key": `n${number}` };
    const body = JSON.stringify({ channel: "stream", event: "message", data: String(number) });
    for (;;) {
      const answer = await fetch(`${server.url}/events`, { method: "POST", headers, body }).catch(() => null);
      if (answer?.status === 200) return published++;
      await pause(20);
    }
  };
  const stream = (async () => {
    for (let number = 0; number < EVENTS; number++) await publish(number);
  })();
  for (const [at, end] of [[150, "end"], [300, "kill"], [450, "end"]]) {
    await waitUntil(() => published >= at, `${at} events`, 60);
    await server[end]();
    await server.spawn();
  }
  await stream;
  await waitUntil(() => seen.every((events) => events.length >= EVENTS), "everybody has everything", 60);
  await Promise.all(channels.map((channel) => channel.latest(0, 1)));
  const expected = Array.from({ length: EVENTS }, (_, number) => String(number));
  for (const events of seen) {
    assert.deepEqual(events.map(([data]) => data), expected);
    assert.equal(new Set(events.map(([, mid]) => mid)).size, EVENTS);
  }
  assert.deepEqual(gaps, []);
  await web.close();
});
