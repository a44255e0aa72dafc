// laravel-echo over pusher-js, as a Laravel page uses it.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import Echo from "laravel-echo";
import Pusher from "pusher-js";

import { Server, waitUntil } from "../node/server.mjs";
import { House, options, settled } from "./house.mjs";

let server;
let house;
before(async () => (server = await Server.start()));
afterEach(() => house?.close());
after(() => server?.stop());

const open = async (settings) => (house = await House.open(server, settings));

/** The Echo object of a Laravel page; `query` identifies the user to the back end. */
function echo(query = "") {
  const { channelAuthorization, userAuthentication, ...settings } = house.settings(query);
  const authEndpoint = channelAuthorization.endpoint;
  const made = new Echo({ broadcaster: "pusher", key: house.app.key, Pusher, authEndpoint, userAuthentication, ...settings });
  house.clients.push(made.connector.pusher);
  return made;
}

/** Waits until the channel is subscribed to. */
const on = (channel) => new Promise((resolve, reject) => channel.subscribed(() => resolve(channel)).error(reject));

test("a public channel, with the application's namespace", options, async () => {
  await open();
  const heard = [];
  const page = echo();
  await on(
    page
      .channel("orders")
      .listen("OrderShipped", (event) => heard.push(["named", event]))
      .listen(".plain", (event) => heard.push(["plain", event]))
      .listenToAll((event, data) => heard.push([event, data])),
  );
  await house.backend.trigger("orders", "App\\Events\\OrderShipped", { id: 1 });
  await house.backend.trigger("orders", "plain", { id: 2 });
  await waitUntil(() => heard.length === 4, "four");
  const expected = [
    ["named", { id: 1 }],
    ["OrderShipped", { id: 1 }],
    ["plain", { id: 2 }],
    [".plain", { id: 2 }],
  ];
  assert.deepEqual(heard.toSorted(), expected.toSorted());
  page.leave("orders");
  await settled(page.connector.pusher);
  await house.backend.trigger("orders", "plain", { id: 3 });
  await settled(page.connector.pusher);
  assert.equal(heard.length, 4);
});

test("toOthers() leaves the socket out that X-Socket-ID names", options, async () => {
  await open();
  const [mine, theirs] = [[], []];
  const [ann, bo] = [echo(), echo()];
  await on(ann.channel("orders").listen(".e", (event) => mine.push(event)));
  await on(bo.channel("orders").listen(".e", (event) => theirs.push(event)));
  await house.backend.trigger("orders", "e", 1, { socket_id: ann.socketId() });
  await waitUntil(() => theirs.length === 1, "the other");
  await settled(ann.connector.pusher);
  assert.deepEqual(mine, []);
});

test("whispers on a private channel", options, async () => {
  await open();
  const heard = [];
  const [ann, bo] = [echo(), echo()];
  const channel = await on(ann.private("chat"));
  await on(bo.private("chat").listenForWhisper("typing", (data) => heard.push(data)));
  channel.whisper("typing", { name: "Ann" });
  await waitUntil(() => heard.length === 1, "the whisper");
  assert.deepEqual(heard, [{ name: "Ann" }]);
});

test("a presence channel: here, joining, leaving, and whispers", options, async () => {
  await open();
  const told = [];
  const [ann, bo] = [echo("user=ann"), echo("user=bo")];
  ann
    .join("room")
    .here((users) => told.push(["here", users]))
    .joining((user) => told.push(["joining", user]))
    .leaving((user) => told.push(["leaving", user]))
    .listenForWhisper("typing", (data) => told.push(["whisper", data]));
  await waitUntil(() => told.length === 1, "here");
  const other = await on(bo.join("room"));
  await waitUntil(() => told.length === 2, "joining");
  other.whisper("typing", { at: 1 });
  await waitUntil(() => told.length === 3, "the whisper");
  bo.leave("room");
  await waitUntil(() => told.length === 4, "leaving");
  assert.deepEqual(told, [
    ["here", [{ name: "ann" }]],
    ["joining", { name: "bo" }],
    ["whisper", { at: 1 }],
    ["leaving", { name: "bo" }],
  ]);
});

test("what is refused comes to the error callback", options, async () => {
  await open();
  const page = echo();
  const refused = (channel) => new Promise((resolve) => channel.error(resolve));
  assert.equal((await refused(page.private("forged"))).status, 401);
  assert.equal((await refused(page.join("forged"))).status, 401);
  assert.equal((await refused(page.private("forbidden"))).status, 403);
});

test("an encrypted private channel", options, async () => {
  await open();
  const heard = [];
  await on(echo().encryptedPrivate("vault").listen(".e", (event) => heard.push(event)));
  await house.backend.trigger("private-encrypted-vault", "e", { secret: 1 });
  await waitUntil(() => heard.length === 1, "decrypted");
  assert.deepEqual(heard, [{ secret: 1 }]);
});
