// The example page in two windows: presence, messages to all and to one, history, a restart.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../clients/node/server.mjs";
import { findings, openBrowser, until } from "./web_browser.mjs";

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

/** The conversation: `sender: text`, and notes. */
const messages = (page) =>
  page.locator("#messages li").evaluateAll((items) =>
    items.map((item) => (item.className === "note" ? item.textContent : `${item.querySelector(".from").textContent}: ${item.querySelector(".text").textContent}`)),
  );
const members = (page) => page.locator("#members button").evaluateAll((buttons) => buttons.map(({ dataset }) => dataset.name));
const shows = async (page, wanted) => {
  const find = (text) => [...document.querySelectorAll("#messages li")].some((item) => (item.querySelector(".from")?.textContent ?? "") + (item.querySelector(".text")?.textContent ?? item.textContent) === text);
  await until(page, find, wanted.replace(": ", ""));
};

test("two windows chat", { timeout: 120_000 }, async () => {
  const ann = await enter("ann");
  assert.deepEqual(await members(ann), ["ann"]);
  await say(ann, "anybody there?");
  await shows(ann, "ann: anybody there?");

  const bo = await enter("Bo Li");
  assert.deepEqual(await members(bo), ["ann", "Bo Li"]);
  assert.deepEqual(await bo.locator("#members .avatar").allTextContents(), ["AN", "BL"]);
  assert.deepEqual(await messages(bo), ["ann: anybody there?"]);
  await shows(ann, "Bo Li joined");
  assert.deepEqual(await members(ann), ["ann", "Bo Li"]);

  await bo.locator("#text").pressSequentially("<b>");
  await ann.locator("#typing", { hasText: "Bo Li is typing" }).waitFor();
  await say(bo, "<b>hello</b>");
  await shows(ann, "Bo Li: <b>hello</b>");
  assert.equal(await ann.locator("#typing").innerText(), "");

  const cy = await enter("cy");
  await shows(ann, "cy joined");
  await ann.locator("#members button", { hasText: "Bo Li" }).click();
  await say(ann, "between us");
  await shows(bo, "ann to you: between us");
  await shows(ann, "ann to Bo Li: between us");
  await say(bo, "to everybody");
  await shows(cy, "Bo Li: to everybody");
  assert.ok(!(await messages(cy)).join().includes("between us"));

  for (const colorScheme of ["light", "dark"]) {
    await ann.emulateMedia({ colorScheme });
    assert.deepEqual(await findings(ann), [], colorScheme);
  }
  await ann.setViewportSize({ width: 360, height: 700 });
  assert.ok(await ann.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is cut off");

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
  await shows(ann, "Bo Li: still here");
  assert.equal((await messages(ann)).filter((text) => text === "Bo Li: to everybody").length, 1);
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
