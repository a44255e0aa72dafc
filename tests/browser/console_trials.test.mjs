// The console against what is unusual: names and numbers of every sort, many rows, slow answers, and what ends while a page is open.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client } from "../clients/node/client.mjs";
import { ADMIN_TOKEN, Server } from "../clients/node/server.mjs";
import { administrator, go, ready, signIn } from "./console_page.mjs";
import { findings, openBrowser, until } from "./web_browser.mjs";

const options = { timeout: 120_000 };
const NAMES = [
  "x".repeat(150),
  "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
  "👩‍👩‍👧‍👦🏳️‍🌈 e\u0301 \u200b zero",
  "<script>window.evil=1</script>&amp;%2F..%2f?#/\\\"'",
  "__proto__",
];

let server;
let browser;
let stopBrowser;
before(async () => {
  server = await Server.start();
  ({ browser, stop: stopBrowser } = await openBrowser());
});
after(async () => {
  await stopBrowser?.();
  await server?.stop();
});

async function open(name, app, credentials = administrator, query = {}) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await signIn(page, server, credentials);
  await go(page, server, name, { app: app.ident, ...query });
  return { page, complaints };
}

const call = (method, path, body) =>
  fetch(server.url + path, { method, headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": "application/json" }, body: body && JSON.stringify(body) });

const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

test("names of every sort are shown as they are, and change nothing around them", options, async () => {
  const app = await server.createApp({ name: "👩‍👩‍👧‍👦\u202e".repeat(12) });
  const socket = await Client.connect(server, app);
  for (const name of NAMES) {
    const data = JSON.stringify({ user_id: name.slice(0, 100), user_info: { name } });
    const channel = `presence-${name}`;
    await socket.subscribe(channel, { auth: app.sign(socket.id, `${channel}:${data}`), channel_data: data });
  }
  for (const name of NAMES) await app.publish(`presence-${name}`, name, { event: name });
  const { page, complaints } = await open("channels", app);
  for (const name of NAMES) {
    const button = page.getByRole("button", { name: `presence-${name}`, exact: true });
    await button.click();
    await until(page, (title) => document.querySelector("#channel-title").textContent === title, `presence-${name}`);
    const item = page.locator("#history summary").first();
    await item.click();
    assert.equal(await page.locator("#history .name").first().textContent(), name);
    assert.equal(await page.locator("#history pre").first().textContent(), name);
    await page.locator("#members td", { hasText: name.slice(0, 20) }).first().waitFor();
  }
  for (const name of ["channels", "connections", "apps", "app", "tail"]) {
    await go(page, server, name, { app: app.ident });
    if (name === "connections") await page.locator("#open summary").first().click();
    if (name === "tail") {
      await page.locator("#state", { hasText: "Watching" }).waitFor();
      for (const event of NAMES) await app.publish(`presence-${event}`, event, { event });
      await until(page, (count) => document.querySelectorAll("#events li").length === count, NAMES.length);
    }
    await page.setViewportSize({ width: 360, height: 740 });
    assert.ok(await fits(page), `${name} fits`);
    assert.deepEqual(await findings(page), [], name);
    await page.setViewportSize({ width: 1400, height: 900 });
  }
  assert.equal(await page.evaluate(() => window.evil), undefined);
  assert.deepEqual(complaints, []);
  socket.raw.close();
  await page.close();
});

test("payloads keep their digits, when they are shown and when they are published", options, async () => {
  const app = await server.createApp();
  const socket = await Client.connect(server, app);
  await socket.subscribe("numbers");
  const { page, complaints } = await open("channels", app, administrator, { channel: "numbers" });
  const sent = `{"id": 12345678901234567890, "price": 1.10, "text": "a, b: {c} \\"d\\" \\\\", "none": [], "all": [1e3, {"x": null}], "deep": ${"[".repeat(200)}${"]".repeat(200)}}`;
  await page.locator("#data").fill(sent);
  await page.locator("#publish button").click();
  const { data } = await socket.expect("message", "numbers");
  assert.ok(data.includes("12345678901234567890") && data.includes("1.10"), data);
  await page.locator("#history summary").first().click();
  const shown = await page.locator("#history pre").first().textContent();
  assert.match(shown, /^\{\n  "id": 12345678901234567890,\n  "price": 1\.10,\n  "text": "a, b: \{c\} \\"d\\" \\\\",\n  "none": \[\],\n  "all": \[\n    1e3,\n    \{\n      "x": null\n/);
  // What is no JSON is published as text.
  await page.locator("#data").fill('{"broken": ');
  await page.locator("#publish button").click();
  assert.equal((await socket.expect("message", "numbers")).data, '{"broken": ');
  assert.deepEqual(complaints, []);
  socket.raw.close();
  await page.close();
});

test("many channels are read page by page, and the answer that was asked for last is shown", options, async () => {
  const app = await server.createApp();
  const socket = await Client.connect(server, app);
  for (let n = 0; n < 250; n++) await socket.subscribe(`many-${String(n).padStart(3, "0")}`);
  const { page, complaints } = await open("channels", app);
  const rows = () => page.locator("#list tbody tr").count();
  assert.equal(await rows(), 100);
  await page.locator("#more").click();
  await until(page, () => document.querySelectorAll("#list tbody tr").length === 200);
  await page.locator("#more").click();
  await until(page, () => document.querySelectorAll("#list tbody tr").length === 250);
  assert.ok(await page.locator("#more").isHidden());

  // A slow network: the first answer arrives after the second.
  let release;
  const held = new Promise((done) => (release = done));
  await page.route(/occupied_channels\?prefix=many-0&/, async (route) => {
    await held;
    await route.continue().catch(() => {});
  });
  const asked = page.waitForRequest(/prefix=many-0&/);
  await page.locator("#prefix").fill("many-0");
  await asked;
  await page.locator("#prefix").fill("many-24");
  await until(page, () => document.querySelectorAll("#list tbody tr").length === 10);
  release();
  await page.locator("#prefix").fill("many-249");
  await until(page, () => document.querySelectorAll("#list tbody tr").length === 1);
  assert.ok(await page.locator("#problem").isHidden());
  assert.deepEqual(complaints, []);
  socket.raw.close();
  await page.close();
});

test("an app that is deleted while its pages are open is named, and no other is shown in its place", options, async () => {
  const [app, other] = [await server.createApp({ name: "first" }), await server.createApp({ name: "other" })];
  const { page: tail } = await open("tail", app);
  await tail.locator("#state", { hasText: "Watching" }).waitFor();
  const page = await browser.newPage();
  await go(page, server, "connections", { app: app.ident });
  assert.equal((await call("DELETE", `/apps/${app.ident}`)).status, 200);
  for (const one of [tail, page]) await one.locator("#problem:not([hidden])").waitFor();
  await page.goto(`${server.url}/console/app?app=${app.ident}`);
  await page.locator("#problem", { hasText: app.ident }).waitFor();
  assert.ok(await page.locator("#content").isHidden());
  await page.locator("#app-picker").selectOption(other.ident);
  await page.waitForURL(new RegExp(other.ident));
  await ready(page);

  // A session of an app that is gone leads to the page to sign in with.
  await signIn(page, server, { app: other.ident, secret: other.secret });
  await go(page, server, "tail", {});
  await page.locator("#state", { hasText: "Watching" }).waitFor();
  assert.equal((await call("DELETE", `/apps/${other.ident}`)).status, 200);
  await page.waitForURL(/sign-in/);
  await page.close();
  await tail.close();
});

test("pages go on after a restart of the server", options, async () => {
  const app = await server.createApp();
  const { page: tail, complaints } = await open("tail", app);
  await tail.locator("#state", { hasText: "Watching" }).waitFor();
  const page = await browser.newPage();
  await go(page, server, "connections", { app: app.ident });
  await server.end();
  await page.locator("#problem", { hasText: "does not answer" }).waitFor();
  await server.spawn();
  await page.locator("#problem").waitFor({ state: "hidden" });
  await tail.locator("#state", { hasText: "Watching" }).waitFor();
  await app.publish("restarted", "after the restart");
  await tail.locator("#events li", { hasText: "after the restart" }).waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
  await tail.close();
});

test("a page that the browser kept is not shown again to whoever has signed out", options, async () => {
  const app = await server.createApp();
  const { page } = await open("connections", app);
  const other = await browser.newPage();
  await go(other, server, "apps", {});
  await other.locator("#sign-out").click();
  await other.waitForURL(/sign-in/);
  // As the browser does when a person goes back.
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await page.waitForURL(/sign-in/);
  await other.close();
  await page.close();
});

test("an app with an unusual name is deleted by keyboard alone", options, async () => {
  const app = await server.createApp({ name: "two  spaces e\u0301 \u202eback" });
  const page = await browser.newPage();
  await page.context().clearCookies();
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto(`${server.url}/console/app?app=${app.ident}`);
  await page.waitForURL(/sign-in/);
  // To the choice of who signs in, to the secret, and Enter.
  await page.locator("input[value=administrator]").focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("Tab");
  await page.keyboard.type(ADMIN_TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`console/app\\?app=${app.ident}`));
  await ready(page);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.locator("#delete").focus();
  await page.keyboard.press("Enter");
  assert.ok(await page.locator("#confirm-button").isDisabled());
  await page.locator("#confirm-name").focus();
  await page.keyboard.insertText("two spaces \u00e9 \u202eback");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(/console\/apps/);
  assert.equal((await call("GET", `/apps/${app.ident}`)).status, 404);
  await page.close();
});

test("settings with a number out of their range are refused with a reason", options, async () => {
  const app = await server.createApp();
  const { page } = await open("app", app);
  await page.locator("#settings summary", { hasText: "Limits" }).click();
  await page.locator("#set-max_members").fill("99999999999999999999");
  await page.locator("#save").click();
  await page.locator("#problem", { hasText: "max_members" }).waitFor();
  await page.locator("#delete").click();
  await page.keyboard.press("Escape");
  assert.equal((await call("GET", `/apps/${app.ident}`)).status, 200);
  await page.close();
});
