// The documentation page in a real browser: authorise, publish, and see it arrive on a socket.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { Client } from "../clients/node/client.mjs";
import { Server } from "../clients/node/server.mjs";

const CHROMIUM = process.env.PUSHI_CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let server;
let profile;
let browser;
before(async () => {
  server = await Server.start();
  profile = mkdtempSync(join(tmpdir(), "pushi-browser-"));
  browser = await chromium.launchPersistentContext(profile, { executablePath: CHROMIUM, args: ARGUMENTS, timeout: 60_000 });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(profile, { recursive: true, force: true });
});

test("the documentation publishes an event that a socket receives", { timeout: 120_000 }, async () => {
  const app = await server.createApp();
  const socket = await Client.connect(server, app);
  await socket.subscribe("global");

  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  const elsewhere = [];
  const complaints = [];
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(server.url) && !url.startsWith("data:") && !url.startsWith("blob:")) elsewhere.push(url);
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${server.url}/docs`);

  await page.locator(".btn.authorize").first().click();
  const dialog = page.locator(".dialog-ux");
  const scheme = dialog.locator(".auth-container").filter({ hasText: /session/i }).filter({ hasText: /bearer/i });
  await scheme.locator("input").first().fill(app.token);
  await scheme.locator("button.authorize").click();
  await scheme.locator("button", { hasText: "Logout" }).waitFor();
  await scheme.locator(".btn-done").click();

  const operation = page.locator(".opblock-post").filter({ has: page.locator('[data-path="/events"]') });
  await operation.locator(".opblock-summary-control").click();
  await operation.locator(".try-out__btn").click();
  const body = { channel: "global", event: "message", data: "from the page", persist: true };
  await operation.locator("textarea.body-param__text").fill(JSON.stringify(body));
  await operation.locator("button.execute").click();

  const frame = await socket.expect("message", "global");
  assert.equal(frame.data, "from the page");
  assert.equal(frame.serial, 1);
  const answer = operation.locator(".live-responses-table tr.response");
  await answer.locator(".response-col_status").filter({ hasText: "200" }).waitFor();
  assert.match(await answer.locator(".response-col_description").innerText(), /"success"/);
  assert.deepEqual(elsewhere, [], "the page needs nothing from anywhere else");
  assert.deepEqual(complaints, []);
  await page.close();
});

test("without authorising, the page shows the 401 that it gets", { timeout: 120_000 }, async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${server.url}/docs`);
  const operation = page.locator(".opblock-post").filter({ has: page.locator('[data-path="/events"]') });
  await operation.locator(".opblock-summary-control").click();
  await operation.locator(".try-out__btn").click();
  await operation.locator("button.execute").click();
  await operation.locator(".live-responses-table .response-col_status").filter({ hasText: "401" }).first().waitFor();
  await page.close();
});
