// npm `pusher`, the server library: all its calls.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import PusherServer from "pusher";

import { Server, waitUntil } from "../node/server.mjs";
import { House, all, options, state } from "./house.mjs";

let server;
let house;
before(async () => (server = await Server.start()));
afterEach(() => house?.close());
after(() => server?.stop());

const open = async (settings) => (house = await House.open(server, settings));
const get = async (path, params = {}) => (await house.backend.get({ path, params })).json();

test("trigger, to one channel and to a hundred", options, async () => {
  await open();
  const { client } = await house.on("c0");
  await house.subscribed(client, "c99");
  const heard = all(client, "e");
  const answer = await house.backend.trigger("c0", "e", { a: 1 });
  assert.deepEqual([answer.status, await answer.json()], [200, {}]);
  assert.match(answer.headers.get("content-type"), /^application\/json/);
  const many = Array.from({ length: 100 }, (_, number) => `c${number}`);
  await house.backend.trigger(many, "e", "x");
  await waitUntil(() => heard.length === 3, "three");
  assert.deepEqual(heard, [{ a: 1 }, "x", "x"]);
});

test("trigger and triggerBatch with info", options, async () => {
  await open();
  await house.on("presence-a", "user=ann");
  await house.on("news");
  const info = { info: "user_count,subscription_count" };
  const answer = await house.backend.trigger(["presence-a", "news"], "e", "x", info);
  const counts = { "presence-a": { user_count: 1, subscription_count: 1 }, news: { subscription_count: 1 } };
  assert.deepEqual(await answer.json(), { channels: counts });
  const entry = (channel, more) => ({ channel, name: "e", data: { x: 1 }, ...more });
  const batch = await house.backend.triggerBatch([entry("presence-a", info), entry("news")]);
  assert.deepEqual(await batch.json(), { batch: [{ user_count: 1, subscription_count: 1 }, {}] });
  assert.deepEqual(await (await house.backend.triggerBatch([entry("news")])).json(), {});
});

test("a batch arrives in its order", options, async () => {
  await open();
  const { channel } = await house.on("news");
  const heard = all(channel, "e");
  await house.backend.triggerBatch(Array.from({ length: 10 }, (_, number) => ({ channel: "news", name: "e", data: number })));
  await waitUntil(() => heard.length === 10, "all ten");
  assert.deepEqual(heard, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("channels, one channel, and its users", options, async () => {
  await open();
  assert.deepEqual(await get("/channels"), { channels: {} });
  await house.on("presence-a", "user=7&number");
  await house.on("news");
  await house.on("cache-x");
  await house.backend.trigger("cache-x", "e", "last");
  assert.deepEqual(Object.keys((await get("/channels")).channels).sort(), ["cache-x", "news", "presence-a"]);
  const presence = await get("/channels", { filter_by_prefix: "presence-", info: "user_count,subscription_count" });
  assert.deepEqual(presence, { channels: { "presence-a": { user_count: 1, subscription_count: 1 } } });
  assert.deepEqual(await get("/channels/presence-a", { info: "user_count" }), { occupied: true, user_count: 1 });
  assert.deepEqual(await get("/channels/nobody"), { occupied: false });
  const { cache } = await get("/channels/cache-x", { info: "cache" });
  assert.equal(cache.data, "last");
  assert.ok(cache.ttl > 1700 && cache.ttl <= 1800, String(cache.ttl));
  assert.deepEqual(await get("/channels/presence-a/users"), { users: [{ id: "7" }] });
});

test("users who hold odd characters are sent to, and sent away", options, async () => {
  await open();
  for (const user of ["ann", "a b", "é:@x"]) {
    const client = await house.connected(`user=${encodeURIComponent(user)}`);
    client.signin();
    await client.user.signinDonePromise;
    await waitUntil(() => client.user.serverToUserChannel?.subscribed, "on its own channel");
    const heard = all(client.user, "e");
    await house.backend.sendToUser(user, "e", 1);
    await waitUntil(() => heard.length === 1, `heard by ${user}`);
    await house.backend.terminateUserConnections(user);
    await state(client, "disconnected");
  }
});

test("what is wrong rejects with the status and a reason", options, async () => {
  await open();
  const { ident: appId, key, secret } = house.app;
  const other = (changed) => new PusherServer({ appId, key, secret, host: "127.0.0.1", port: server.port, useTLS: false, ...changed });
  const refused = async (backend, status, reason, event = "e", data = "x") => {
    const error = await backend.trigger("news", event, data).then(
      () => assert.fail("it was taken"),
      (error) => error,
    );
    assert.equal(error.status, status, error.body);
    assert.match(JSON.parse(error.body).message, reason);
    assert.ok(!error.body.includes(secret));
  };
  await refused(other({ secret: "another" }), 401, /auth_signature/);
  await refused(other({ key: "another" }), 401, /auth_key/);
  await refused(other({ appId: "none" }), 404, /app/);
  await refused(house.backend, 400, /reserved/, "pusher:x");
  await refused(house.backend, 413, /10240/, "e", "x".repeat(10_241));
});

test("a connection is kept for many requests", options, async () => {
  await open();
  const { Agent } = await import("node:http");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let connections = 0;
  agent.createConnection = ((make) => (...given) => (connections++, make.apply(agent, given)))(agent.createConnection);
  const { ident: appId, key, secret } = house.app;
  const backend = new PusherServer({ appId, key, secret, host: "127.0.0.1", port: server.port, useTLS: false, agent });
  for (let count = 0; count < 20; count++) await (await backend.trigger("news", "e", count)).text();
  agent.destroy();
  assert.equal(connections, 1);
});
