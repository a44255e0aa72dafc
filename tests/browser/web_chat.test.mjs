// The example page in two windows: presence, messages to all and to one, history, a restart.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../clients/node/server.mjs";
import { openBrowser, until } from "./web_browser.mjs";

let server;
let browser;
let stopBrowser;
before(async () => {
  // As after the first `cargo run --release`: the app is the one that an empty database gets.
  server = await Server.start({ PUSHI_DEMO: "1", PUSHI_ADMIN_TOKEN: undefined });
  ({ browser, stop: stopBrowser } = await openBrowser());
});
after(async () => {
  await stopBrowser?.();
  await server?.stop();
});

const complaints = [];

async function enter(name) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${server.url}/examples/chat.html`);
  await page.locator("#name").fill(name);
  await page.locator("#enter button").click();
  await page.locator("#say").waitFor();
  return page;
}

async function say(page, text) {
  await page.locator("#text").fill(text);
  await page.locator("#say button").click();
}

const messages = (page) => page.locator("#messages li").allInnerTexts();
const members = (page) => page.locator("#members button").allInnerTexts();
const shows = (page, text) => page.locator("#messages li", { hasText: text }).first().waitFor();

test("two windows chat", { timeout: 120_000 }, async () => {
  const ann = await enter("ann");
  assert.deepEqual(await members(ann), ["ann"]);
  await say(ann, "anybody there?");
  await shows(ann, "ann: anybody there?");

  const bo = await enter("bo");
  assert.deepEqual(await members(bo), ["ann", "bo"]);
  assert.deepEqual(await messages(bo), ["ann: anybody there?"]);
  await shows(ann, "bo came");
  assert.deepEqual(await members(ann), ["ann", "bo"]);

  await say(bo, "<b>hello</b>");
  await shows(ann, "bo: <b>hello</b>");

  const cy = await enter("cy");
  await shows(ann, "cy came");
  await ann.locator("#members button", { hasText: "bo" }).click();
  await say(ann, "between us");
  await shows(bo, "ann: between us");
  await shows(ann, "ann to bo: between us");
  await say(bo, "to everybody");
  await shows(cy, "bo: to everybody");
  assert.ok(!(await messages(cy)).join().includes("between us"));

  await cy.close();
  await shows(ann, "cy left");
  await until(ann, () => document.querySelectorAll("#members button").length === 2);

  // The server is restarted under them.
  await server.end();
  await ann.locator("#state", { hasText: "reconnecting" }).waitFor();
  await server.spawn();
  for (const page of [ann, bo]) {
    await page.locator("#state", { hasText: /^connected$/ }).waitFor();
    await until(page, () => room.subscribed && document.querySelectorAll("#members button").length === 2);
  }
  await say(bo, "still here");
  await shows(ann, "bo: still here");
  assert.equal((await messages(ann)).filter((text) => text === "bo: to everybody").length, 1);
  assert.deepEqual(await ann.locator("#trouble").innerText(), "");
  assert.deepEqual(complaints, []);
});

test("without the demo the page says what to do", { timeout: 60_000 }, async () => {
  const plain = await Server.start();
  try {
    const page = await browser.newPage();
    await page.goto(`${plain.url}/examples/chat.html`);
    await page.locator("#name").fill("ann");
    await page.locator("#enter button").click();
    await page.locator("#trouble", { hasText: "PUSHI_DEMO=1" }).waitFor();
    await page.close();
  } finally {
    await plain.stop();
  }
});
