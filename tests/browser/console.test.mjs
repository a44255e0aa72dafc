// The console in a real browser, over SQLite: signing in, every page with data, and what can be done there.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import Pusher from "pusher-js";

import { Client } from "../clients/node/client.mjs";
import { Server } from "../clients/node/server.mjs";
import { administrator, go as openPage, ready, signIn as signInAt } from "./console_page.mjs";
import { findings, openBrowser } from "./web_browser.mjs";

const options = { timeout: 120_000 };
/** What a page must show as it is, wherever it comes from. */
const EVIL = `<img src=x onerror="window.evil=1"><script>window.evil=1</script>'"`;
const PAGES = ["overview", "apps", "app", "channels", "connections", "tail", "deliveries", "debugger"];
const MOST_BYTES = 150_000;

/** A receiver of web hooks; `bodies` has what it got, `status` is what it answers. */
class Receiver {
  static async open() {
    const receiver = new Receiver();
    receiver.bodies = [];
    receiver.status = 500;
    receiver.http = createServer(async (request, response) => {
      let text = "";
      for await (const piece of request.setEncoding("utf8")) text += piece;
      receiver.bodies.push(text);
      response.writeHead(receiver.status).end();
    });
    receiver.http.listen(0, "127.0.0.1");
    await once(receiver.http, "listening");
    receiver.url = `http://127.0.0.1:${receiver.http.address().port}/hook`;
    return receiver;
  }

  async close() {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, "close");
  }
}

let server;
let browser;
let stopBrowser;
let app;
let receiver;
before(async () => {
  receiver = await Receiver.open();
  server = await Server.start({ PUSHI_WEBHOOK_ALLOW_PRIVATE: "1", PUSHI_WEBHOOK_RETRY: "0" });
  ({ browser, stop: stopBrowser } = await openBrowser());
  app = await server.createApp({ name: EVIL, webhooks: [{ url: receiver.url }] });
});
after(async () => {
  await stopBrowser?.();
  await server?.stop();
  await receiver?.close();
});

const complaints = [];

/** A window of its own; what its pages complain of is collected. */
async function newPage() {
  const page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => {
    const url = request.url();
    if (!/^(data|blob):/.test(url) && !url.startsWith(server.url)) complaints.push(`loaded ${url}`);
  });
  return page;
}

const signIn = (page, credentials) => signInAt(page, server, credentials);
const go = (page, name, query = { app: app.ident }) => openPage(page, server, name, query);

/** Confirms the question that is shown, after typing `name` where it asks for one. */
async function confirm(page, name) {
  if (name !== undefined) {
    assert.ok(await page.locator("#confirm-button").isDisabled());
    await page.locator("#confirm-name").fill(name);
  }
  await page.locator("#confirm-button:enabled").click();
}

test("signing in, as an app or as the administrator, and out", options, async () => {
  const page = await newPage();
  for (const name of PAGES) {
    await page.goto(`${server.url}/console/${name}`);
    assert.equal(new URL(page.url()).pathname, "/console/sign-in");
  }
  assert.deepEqual(await findings(page), []);
  await page.locator("#app").fill(app.key);
  await page.locator("#secret").fill("wrong");
  const expected = complaints.length;
  await page.locator("#sign-in button").click();
  await page.locator("#problem", { hasText: "do not fit" }).waitFor();
  complaints.length = expected; // the browser reports the 401

  // It returns to the page that was asked for.
  await page.locator("#secret").fill(app.secret);
  await page.locator("#sign-in button").click();
  await page.waitForURL(/console\/debugger/);
  await go(page, "apps");
  assert.equal(await page.locator("#list tbody tr").count(), 1);
  assert.ok(await page.locator("#create").isHidden());
  assert.equal(await page.evaluate(() => document.cookie), "", "no script reads the cookie");
  const refused = await page.evaluate(async () => (await fetch("../apps/x", { method: "DELETE" })).status);
  assert.equal(refused, 403, "the cookie alone changes nothing");
  complaints.length = expected;

  await page.locator("#sign-out").click();
  await page.waitForURL(/sign-in/);
  await page.goto(`${server.url}/console/apps`);
  assert.equal(new URL(page.url()).pathname, "/console/sign-in");

  await signIn(page, administrator);
  await go(page, "apps");
  await page.locator("#create").waitFor();
  await page.close();
});

test("every page shows its data, as text, in both schemes and in 360 pixels", options, async () => {
  const channel = `presence-${EVIL}`.slice(0, 150);
  const socket = await Client.connect(server, app);
  await socket.subscribe(channel, { channel_data: { user_id: EVIL, user_info: { name: EVIL } } });
  await app.publish(channel, EVIL, { event: EVIL });
  await app.publish(channel, { text: EVIL }, { event: "message" });

  const page = await newPage();
  await signIn(page, administrator);
  for (const name of PAGES) {
    const sizes = [];
    const measure = async (response) => {
      const headers = await response.allHeaders();
      if (response.url().includes("/console/") || response.url().endsWith("pushi.css")) sizes.push(Number(headers["content-length"] ?? 0));
    };
    page.on("response", measure);
    await go(page, name, { app: app.ident, channel });
    page.off("response", measure);
    assert.ok(sizes.length > 3 && sizes.reduce((a, b) => a + b) < MOST_BYTES, `${name}: ${sizes}`);
    if (name === "app") for (const summary of await page.locator("#settings summary").all()) await summary.click();
    if (name === "channels") {
      await page.locator("#members td", { hasText: "<img" }).first().waitFor();
      await page.locator("#history summary").last().click();
      assert.equal(await page.locator("#history pre").last().textContent(), EVIL);
    }
    if (name === "connections") await page.locator("#open td", { hasText: socket.id }).waitFor();
    if (name === "tail") {
      await page.locator("#state", { hasText: "Watching" }).waitFor();
      await app.publish(channel, EVIL, { event: EVIL });
      await page.locator("#events summary").first().click();
      assert.equal(await page.locator("#events pre").first().textContent(), EVIL);
    }
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await findings(page), [], `${name}, ${colorScheme}`);
    }
    await page.setViewportSize({ width: 360, height: 740 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} fits`);
    await page.setViewportSize({ width: 1400, height: 900 });
    assert.equal(await page.evaluate(() => window.evil), undefined, name);
  }
  assert.deepEqual(complaints, []);
  socket.raw.close();
  await page.close();
});

test("the live tail shows, filters, pauses and exports what is published", options, async () => {
  const page = await newPage();
  await signIn(page, { app: app.ident, secret: app.secret });
  await go(page, "tail", { prefix: "tail-" });
  await page.locator("#state", { hasText: "Watching 1 node" }).waitFor();
  await app.publish("elsewhere", "x", { event: "other" });
  await app.publish("tail-a", { n: 1 }, { event: "first" });
  await page.locator("#events li", { hasText: "first" }).waitFor();
  assert.equal(await page.locator("#events li").count(), 1);

  await page.locator("#pause").click();
  await app.publish("tail-a", "x", { event: "while-paused" });
  await page.locator("#left-out", { hasText: "1 while it was paused" }).waitFor();
  await page.locator("#pause").click();
  await app.publish("tail-a", "x", { event: "later" });
  await page.locator("#events li", { hasText: "later" }).waitFor();
  const [file] = await Promise.all([page.waitForEvent("download"), page.locator("#export").click()]);
  let text = "";
  for await (const piece of await file.createReadStream()) text += piece;
  const events = text.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(events.map(({ channel, event }) => [channel, event]), [["tail-a", "first"], ["tail-a", "later"]]);
  await page.locator("#clear").click();
  assert.equal(await page.locator("#events li").count(), 0);
  await page.close();
});

test("a connection is closed, and shown among the closed ones", options, async () => {
  const socket = await Client.connect(server, app);
  const page = await newPage();
  await signIn(page, administrator);
  await go(page, "connections");
  await page.locator(`#open button[aria-label="Close ${socket.id}"]`).click();
  await page.locator("#confirm button[value=cancel]").click();
  await page.locator(`#open button[aria-label="Close ${socket.id}"]`).click();
  await confirm(page);
  let frame = await socket.frame();
  while (frame.closed === undefined) frame = await socket.frame();
  assert.equal(frame.closed, 4009);
  const row = page.locator("#closed tr", { hasText: socket.id });
  await row.waitFor();
  assert.match(await row.innerText(), /4009/);
  await page.close();
});

test("a web hook that failed is sent again", options, async () => {
  const socket = await Client.connect(server, app);
  await socket.subscribe("hooked");
  const page = await newPage();
  await signIn(page, administrator);
  await go(page, "deliveries");
  const again = page.locator("#hooks button", { hasText: "Send again" }).first();
  await again.waitFor();
  assert.match(await page.locator("#hooks tbody").innerText(), /HTTP 500/);
  receiver.status = 200;
  const before = receiver.bodies.length;
  await again.click();
  await page.locator("#notice", { hasText: "again" }).waitFor();
  await page.locator("#hooks tr", { hasText: "delivered" }).first().waitFor();
  assert.ok(receiver.bodies.length > before);
  socket.raw.close();
  await page.close();
});

test("an app that is created is used by pusher-js, changed and deleted", options, async () => {
  const page = await newPage();
  await signIn(page, administrator);
  await go(page, "apps");
  await page.locator("#name").fill("shop");
  await page.locator("#create button").click();
  await page.locator("#created").waitFor();
  const [ident, key] = await page.locator("#credentials code").allInnerTexts();
  const pusher = new Pusher(key, { cluster: "", wsHost: "127.0.0.1", wsPort: server.wsPort, forceTLS: false, enabledTransports: ["ws"], disableStats: true });
  const news = pusher.subscribe("news");
  const arrived = new Promise((done) => news.bind("message", done));
  await new Promise((done) => news.bind("pusher:subscription_succeeded", done));

  await go(page, "channels", { app: ident, channel: "news" });
  await page.locator("#list button", { hasText: "news" }).waitFor();
  await page.locator("#data").fill('{"text":"hello"}');
  await page.locator("#publish button").click();
  assert.deepEqual(await arrived, { text: "hello" });
  await page.locator("#history li", { hasText: "hello" }).waitFor();
  pusher.disconnect();

  await go(page, "app", { app: ident });
  await page.locator("#settings summary", { hasText: "Limits" }).click();
  await page.locator("#set-max_members").fill("7");
  await page.locator("#set-description").fill("for a test");
  await page.locator("#save").click();
  await page.locator("#notice", { hasText: "saved" }).waitFor();
  await page.locator("[data-setting=max_members] [data-reset]").click();
  await page.locator("#notice", { hasText: "max_members has its default" }).waitFor();
  assert.equal(await page.locator("#set-max_members").inputValue(), "");
  await page.locator("#rotate").click();
  await confirm(page);
  await page.locator("#end-previous").click();
  await confirm(page);
  await page.locator("#notice", { hasText: "Only the current secret" }).waitFor();
  await page.locator("#make-vapid").click();
  await page.locator("#vapid", { hasText: "has a VAPID key" }).waitFor();
  await page.locator("#delete").click();
  await confirm(page, "shop");
  await page.waitForURL(/console\/apps/);
  await ready(page);
  assert.equal(await page.locator("#list tbody tr", { hasText: "shop" }).count(), 0);
  await page.close();
});

test("the debugger finds the wrong part of a signature", options, async () => {
  const page = await newPage();
  await signIn(page, administrator);
  await go(page, "debugger");
  const [socket, channel] = ["123.456", "private-room"];
  const right = app.sign(socket, channel);
  const check = async (fields) => {
    for (const [id, text] of Object.entries({ key: app.key, auth: right, socket, channel, "channel-data": "", ...fields })) await page.locator(`#${id}`).fill(text);
    await page.locator("#verdict").evaluate((verdict) => (verdict.hidden = true));
    await page.locator("#subscription button").click();
    await page.locator("#verdict:not([hidden])").waitFor();
    return [await page.locator("#outcome .badge").innerText(), (await page.locator("#problems code:first-child").allInnerTexts()).join()];
  };
  assert.deepEqual(await check({}), ["right", ""]);
  for (const [fields, part] of [
    [{ key: "another" }, /key/],
    [{ auth: `${app.key}:${"0".repeat(64)}` }, /signature|secret/],
    [{ auth: "no-colon" }, /auth|signature/],
    [{ socket: "123.457" }, /socket_id|signature|secret/],
    [{ socket: "not one" }, /socket_id/],
    [{ channel: "private-hall" }, /channel|signature|secret/],
    [{ "channel-data": '{"user_id":"ann"}' }, /channel_data|signature|secret/],
  ]) {
    const [verdict, parts] = await check(fields);
    assert.equal(verdict, "wrong", JSON.stringify(fields));
    assert.match(parts, part, JSON.stringify(fields));
  }
  await check({ channel: "presence-room", "channel-data": '{"user_id":"ann"}' });
  assert.equal(await page.locator("#string-to-sign").innerText(), '123.456:presence-room:{"user_id":"ann"}');
  const shown = await page.locator("#verdict").innerText();
  assert.ok(!shown.includes(app.secret));
  await page.locator("#target").fill(`/apps/${app.ident}/events?auth_key=${app.key}&auth_timestamp=1&auth_version=1.0&body_md5=x&auth_signature=${"0".repeat(64)}`);
  await page.locator("#body").fill("{}");
  await page.locator("#request button").click();
  await page.locator("#problems", { hasText: "timestamp" }).waitFor();
  await page.close();
});
