// Tokens of users, made by npm's `jose`, in place of an auth endpoint.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { SignJWT } from "jose";

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

const sign = (seconds = 3600, claims = { channels: ["private-*", "presence-*"], info: { name: "Ann" } }) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setSubject("ann")
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(new TextEncoder().encode(app.secret));

test("one token opens every channel that it covers", options, async () => {
  await begin();
  const pushi = web.make({ token: await sign() });
  const channels = ["private-a", "private-b", "presence-a", "personal-ann"].map((name) => pushi.subscribe(name));
  await Promise.all(channels.map((channel) => channel.ready));
  assert.deepEqual(channels[2].data.members, { ann: { user_id: "ann", user_info: { name: "Ann" } } });
  const [error] = await Promise.all([next(pushi, "error"), pushi.subscribe("personal-bob").ready.catch(() => {})]);
  assert.equal(error.find((value) => value?.code)?.code, 4009);
});

test("getToken is called once a connection and before the token expires", options, async () => {
  await begin();
  let calls = 0;
  const getToken = () => {
    calls++;
    return sign(calls === 1 ? 4 : 3600);
  };
  const pushi = web.make({ getToken });
  const channels = ["private-a", "private-b", "private-c"].map((name) => pushi.subscribe(name));
  await Promise.all(channels.map((channel) => channel.ready));
  assert.equal(calls, 1);
  const errors = all(pushi, "error");
  await waitUntil(() => calls === 2, "a second token", 8);
  const received = next(channels[2], "message");
  await app.publish("private-c", "still here");
  assert.equal((await received)[1], "still here");
  assert.deepEqual(errors, []);
  const connected = next(pushi, "connect");
  pushi.reopen();
  await connected;
  await Promise.all(channels.map((channel) => channel.ready));
  assert.equal(calls, 3);
});

test("a token that expires ends its channels, and a getToken that failed is called again", options, async () => {
  await begin();
  const fixed = web.make({ token: await sign(2) });
  const channel = fixed.subscribe("private-a");
  await channel.ready;
  const values = await next(channel, "error");
  assert.equal(values.find((value) => value?.code)?.code, 4009);
  assert.equal(fixed.state, "connected");
  let calls = 0;
  const getToken = async () => {
    if (++calls === 1) throw new Error("down");
    return sign();
  };
  const pushi = web.make({ getToken });
  const later = pushi.subscribe("private-a");
  await waitUntil(() => later.subscribed, "subscribed by the second token", 20);
  assert.ok(calls >= 2);
});
