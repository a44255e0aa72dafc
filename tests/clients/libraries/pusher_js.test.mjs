// pusher-js: everything that its documentation shows, against the real binary.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Server, waitUntil } from "../node/server.mjs";
import { House, all, next, options, settled, state } from "./house.mjs";

let server;
let house;
before(async () => (server = await Server.start()));
afterEach(() => house?.close());
after(() => server?.stop());

const open = async (settings) => (house = await House.open(server, settings));

test("a public channel hears what the back end triggers", options, async () => {
  await open();
  const { client, channel } = await house.on("news");
  const heard = next(channel, "my-event");
  await house.backend.trigger("news", "my-event", { message: "hello" });
  assert.deepEqual(await heard, { message: "hello" });
  const global = next(client, "other");
  await house.backend.trigger(["news", "else"], "other", "text");
  assert.equal(await global, "text");
  client.unsubscribe("news");
  await settled(client);
  const late = all(client, "late");
  await house.backend.trigger("news", "late", "x");
  await settled(client);
  assert.deepEqual(late, []);
});

test("the socket that caused an event is left out", options, async () => {
  await open();
  const [ann, bo] = [await house.on("news"), await house.on("news")];
  const [mine, theirs] = [all(ann.channel, "e"), next(bo.channel, "e")];
  await house.backend.trigger("news", "e", 1, { socket_id: ann.client.connection.socket_id });
  assert.equal(await theirs, 1);
  await settled(ann.client);
  assert.deepEqual(mine, []);
});

test("a private channel is signed by the back end, and a wrong signature comes to the error callback", options, async () => {
  await open();
  const { client, channel } = await house.on("private-room");
  assert.deepEqual(house.asked, [{ socket_id: client.connection.socket_id, channel_name: "private-room" }]);
  const heard = next(channel, "e");
  await house.backend.trigger("private-room", "e", [1]);
  assert.deepEqual(await heard, [1]);
  for (const name of ["private-forged", "presence-forged"]) {
    const error = await next(client.subscribe(name), "pusher:subscription_error");
    assert.equal(error.type, "AuthError");
    assert.equal(error.status, 401);
  }
  const refused = await next(client.subscribe("private-forbidden"), "pusher:subscription_error");
  assert.equal(refused.status, 403, "what the back end refuses the client tells by itself");
});

test("a presence channel lists its members, and tells who comes and goes", options, async () => {
  await open();
  const ann = await house.on("presence-room", "user=1&number");
  assert.equal(ann.channel.members.count, 1);
  // Its own id is what its back end signed; to the others it is a string, as all ids are.
  assert.deepEqual(ann.channel.members.me, { id: 1, info: { name: "1" } });
  const came = next(ann.channel, "pusher:member_added");
  const bo = await house.on("presence-room", "user=bo");
  assert.deepEqual(await came, { id: "bo", info: { name: "bo" } });
  assert.equal(bo.channel.members.count, 2);
  assert.deepEqual(bo.channel.members.get("1"), { id: "1", info: { name: "1" } });
  const again = all(ann.channel, "pusher:member_added");
  const tab = await house.on("presence-room", "user=bo");
  assert.equal(tab.channel.members.count, 2, "two tabs are one member");
  const left = next(ann.channel, "pusher:member_removed");
  bo.client.disconnect();
  tab.client.unsubscribe("presence-room");
  assert.deepEqual(await left, { id: "bo", info: { name: "bo" } });
  assert.equal(ann.channel.members.count, 1);
  assert.deepEqual(again, []);
});

test("client events reach the others, with the user's id on presence channels", options, async () => {
  await open();
  const [ann, bo] = [await house.on("presence-room", "user=ann"), await house.on("presence-room", "user=bo")];
  const own = all(ann.channel, "client-typing");
  const heard = [];
  bo.channel.bind("client-typing", (...given) => heard.push(given));
  assert.equal(ann.channel.trigger("client-typing", { at: 7 }), true);
  await waitUntil(() => heard.length > 0, "heard");
  assert.deepEqual(heard, [[{ at: 7 }, { user_id: "ann" }]]);
  await settled(ann.client);
  assert.deepEqual(own, []);
});

test("too many client events are told with 4301, and the connection stays", options, async () => {
  await open();
  const { client, channel } = await house.on("private-room");
  const error = next(client.connection, "error");
  for (let count = 0; count < 12; count++) channel.trigger("client-typing", {});
  assert.equal((await error).data.code, 4301);
  await settled(client);
  assert.equal(client.connection.state, "connected");
});

test("a signed-in user gets what is sent to it, sees its watchlist, and can be sent away", options, async () => {
  await open();
  const ann = await house.connected("user=ann&watch=bo,cy");
  const online = [];
  ann.user.watchlist.bind("online", (event) => online.push(...event.user_ids));
  const offline = [];
  ann.user.watchlist.bind("offline", (event) => offline.push(...event.user_ids));
  ann.signin();
  await ann.user.signinDonePromise;
  assert.deepEqual(ann.user.user_data, { id: "ann", user_info: { name: "ann" }, watchlist: ["bo", "cy"] });
  await waitUntil(() => offline.length === 2, "both are away");
  const heard = next(ann.user, "e");
  await waitUntil(() => ann.user.serverToUserChannel?.subscribed, "on its own channel");
  await house.backend.sendToUser("ann", "e", { private: true });
  assert.deepEqual(await heard, { private: true });
  const bo = await house.connected("user=bo");
  bo.signin();
  await waitUntil(() => online.includes("bo"), "bo is there");
  bo.disconnect();
  await waitUntil(() => offline.filter((user) => user === "bo").length === 2, "bo is away");
  const error = next(ann.connection, "error");
  await house.backend.terminateUserConnections("ann");
  assert.equal((await error).data.code, 4009);
  await state(ann, "disconnected");
});

test("a cache channel gives its last event, or says that there is none", options, async () => {
  await open();
  const { client } = await house.on("cache-news");
  const miss = next(client.subscribe("private-cache-x"), "pusher:cache_miss");
  await miss;
  await house.backend.trigger("cache-news", "state", { of: 1 });
  await house.backend.trigger("cache-news", "state", { of: 2 });
  const late = await house.connected();
  const channel = late.subscribe("cache-news");
  assert.deepEqual(await next(channel, "state"), { of: 2 });
});

test("an encrypted channel is read by its subscribers alone", options, async () => {
  await open();
  const { channel } = await house.on("private-encrypted-room");
  const heard = next(channel, "e");
  await house.backend.trigger("private-encrypted-room", "e", { secret: "é" });
  assert.deepEqual(await heard, { secret: "é" });
});

test("subscribers are told how many they are where the app says so", options, async () => {
  await open({ subscription_count: true });
  const { channel } = await house.on("news");
  const counts = all(channel, "pusher:subscription_count");
  await house.on("news");
  await waitUntil(() => counts.at(-1)?.subscription_count === 2, "two");
  assert.equal(channel.subscriptionCount, 2);
});

test("a silent client asks, is answered, and stays", options, async () => {
  await open();
  const client = await house.connected("", { activityTimeout: 300, pongTimeout: 5000 });
  const pongs = [];
  client.connection.bind("message", (message) => message.event === "pusher:pong" && pongs.push(message));
  await waitUntil(() => pongs.length >= 3, "three answers");
  assert.equal(client.connection.state, "connected");
});

test("what cannot be is not tried again", options, async () => {
  await open();
  house.app = { ...house.app, key: "no-such-key" };
  const stranger = house.client();
  const { error } = await next(stranger.connection, "error");
  assert.equal(error.data.code, 4001);
  await state(stranger, "disconnected");
});
