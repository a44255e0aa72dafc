// pusher-js and laravel-echo as a page loads them, in a real browser, from another origin than the server's.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import { Server } from "../clients/node/server.mjs";
import { House } from "../clients/libraries/house.mjs";
import { openBrowser, openSite, until } from "./web_browser.mjs";

const options = { timeout: 120_000 };
const modules = join(dirname(createRequire(import.meta.url).resolve("pusher-js/package.json")), "..");
const bundle = (path) => readFileSync(join(modules, path), "utf8");

let server;
let browser;
let stopBrowser;
let house;
let site;
before(async () => {
  server = await Server.start();
  ({ browser, stop: stopBrowser } = await openBrowser());
});
afterEach(async () => {
  await site?.stop();
  await house?.close();
});
after(async () => {
  await stopBrowser?.();
  await server?.stop();
});

/** A page that runs `script` behind both bundles; what it complains of fails the test that `check()`s. */
async function open(script, query = "") {
  const { userAuthentication, channelAuthorization, ...settings } = house.settings(query);
  const given = { ...settings, authEndpoint: channelAuthorization.endpoint, userAuthentication, key: house.app.key };
  site ??= await openSite({
    "/pusher.js": bundle("pusher-js/dist/web/pusher-with-encryption.min.js"),
    "/echo.js": bundle("laravel-echo/dist/echo.iife.js"),
    "/": "<!doctype html><body><script src=/pusher.js></script><script src=/echo.js></script>",
  });
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${site.url}/`);
  await page.evaluate((given) => Object.assign(window, { given, heard: [] }), given);
  await page.evaluate(script);
  const check = async () => {
    assert.deepEqual(complaints, []);
    await page.close();
  };
  return { page, check, heard: () => page.evaluate("heard") };
}

const PUSHER = `
  var { key, ...rest } = given;
  var pusher = new Pusher(key, rest);
  var room = pusher.subscribe("presence-room");
  room.bind("pusher:subscription_succeeded", (members) => heard.push(["on", Object.keys(members.members).sort()]));
  room.bind("pusher:member_added", (member) => heard.push(["came", member.id]));
  room.bind("client-wave", (data, meta) => heard.push(["wave", data, meta.user_id]));
  var vault = pusher.subscribe("private-encrypted-vault");
  vault.bind("e", (data) => heard.push(["vault", data]));
  pusher.subscribe("private-forged").bind("pusher:subscription_error", (error) => heard.push(["refused", error.status]));
`;

test("pusher-js in a page: presence, client events, encrypted channels, errors", options, async () => {
  house = await House.open(server);
  site = undefined;
  const ann = await open(PUSHER, "user=ann");
  await until(ann.page, () => heard.length === 2 && vault.subscribed);
  const bo = await open(PUSHER, "user=bo");
  await until(bo.page, () => heard.length === 2 && vault.subscribed);
  assert.deepEqual((await bo.heard()).toSorted(), [
    ["on", ["ann", "bo"]],
    ["refused", 401],
  ]);
  await bo.page.evaluate(`room.trigger("client-wave", { at: 1 })`);
  await until(ann.page, () => heard.length === 4);
  await house.backend.trigger("private-encrypted-vault", "e", { secret: "é" });
  await until(ann.page, () => heard.length === 5);
  assert.deepEqual((await ann.heard()).slice(2), [
    ["came", "bo"],
    ["wave", { at: 1 }, "bo"],
    ["vault", { secret: "é" }],
  ]);
  await ann.check();
  await bo.check();
});

const ECHO = `
  var echo = new Echo.default({ broadcaster: "pusher", ...given });
  echo.channel("orders").listen(".shipped", (event) => heard.push(["shipped", event]));
  echo.private("chat").listenForWhisper("typing", (event) => heard.push(["whisper", event]));
  echo.join("room")
    .here((users) => heard.push(["here", users.map((user) => user.name).sort()]))
    .joining((user) => heard.push(["joining", user.name]))
    .leaving((user) => heard.push(["leaving", user.name]));
  var ready = () => ["orders", "private-chat", "presence-room"].every((name) => echo.connector.pusher.channel(name).subscribed);
`;

test("laravel-echo in a page: public, private and presence channels, whispers", options, async () => {
  house = await House.open(server);
  site = undefined;
  const ann = await open(ECHO, "user=ann");
  await until(ann.page, () => ready());
  const bo = await open(ECHO, "user=bo");
  await until(bo.page, () => ready());
  await bo.page.evaluate(`echo.private("chat").whisper("typing", { name: "Bo" })`);
  await until(ann.page, () => heard.length === 3);
  await house.backend.trigger("orders", "shipped", { id: 7 });
  await until(ann.page, () => heard.length === 4);
  await bo.check();
  await until(ann.page, () => heard.length === 5);
  assert.deepEqual(await ann.heard(), [
    ["here", ["ann"]],
    ["joining", "bo"],
    ["whisper", { name: "Bo" }],
    ["shipped", { id: 7 }],
    ["leaving", "bo"],
  ]);
  await ann.check();
});
