// Hostile text from hubs: shown as text, wherever it stands, and never run.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClean, launch, openPage, Server, signIn, startHub } from "./support.js";

const MARKUP = "<img src=x onerror=\"document.title='owned'\">";
let hub, server, browser, page;

before(async () => {
  hub = await startHub();
  [server, browser] = await Promise.all([Server.start(hub), launch()]);
  page = await openPage(browser);
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await hub?.stop();
});

async function assertTextOnly() {
  assert.notEqual(await page.title(), "owned");
  assert.equal(await page.locator("main img, main script, main svg[onload], main b").count(), 0);
  await assertClean(page, assert);
}

test("a model's name, card and files from the hub are text in every view", async () => {
  await page.fill("#source", "civitai:6660@6666");
  await page.waitForSelector(".known[data-tone=good]");
  await page.press("#source", "Enter");
  await page.waitForSelector(".start-bar");
  assert.ok((await page.locator("main").innerText()).includes(MARKUP));
  await assertTextOnly();
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.getByRole("link", { name: "Open the model" }).waitFor();
  assert.ok((await page.locator("h1").innerText()).includes(MARKUP));
  await assertTextOnly();
  await page.getByRole("link", { name: "Open the model" }).click();
  await page.waitForSelector(".words");
  assert.ok((await page.locator(".words").first().innerText()).includes(MARKUP));
  await assertTextOnly();
  for (const view of ["models", "uploads", "numbers"]) {
    await page.goto(`${server.url}/#/${view}`);
    await page.waitForSelector(view === "numbers" ? ".figure-card" : ".row-link");
    await assertTextOnly();
  }
});

test("hostile file names and errors are text", async () => {
  const sources = [
    { huggingFaceModelName: "harbour/markup" },
    { url: `${hub.files}/refused-name`, kind: "asset" },
    { url: `${hub.files}/${encodeURIComponent(MARKUP)}`, kind: "asset" },
  ];
  for (const source of sources) {
    const upload = await server.import(source);
    await page.goto(`${server.url}/#/uploads/${upload.id}`);
    await page.waitForSelector(upload.status === "failed" ? ".error-box" : "table.files");
    await assertTextOnly();
  }
});

test("hostile text in the address and the fields is text", async () => {
  for (const route of [
    `#/uploads?text=${encodeURIComponent(MARKUP)}`,
    `#/uploads/${encodeURIComponent(MARKUP)}`,
    `#/models/${encodeURIComponent(MARKUP)}`,
    `#/import?source=${encodeURIComponent(MARKUP)}`,
  ]) {
    await page.goto(`${server.url}/${route}`);
    await page.waitForSelector(".empty, .upload-row, .error-box, .known[data-tone=bad]");
    await assertTextOnly();
  }
});

test("a link from a record that is no web address leads nowhere", async () => {
  const made = await page.evaluate(async () => {
    const base = document.querySelector("script[src$='main.js']").src;
    const { h } = await import(new URL("dom.js", base));
    return ["javascript:alert(1)", "data:text/html,x", " javascript:alert(1)", "https://example.com/"].map((href) =>
      h("a", { href }).getAttribute("href"),
    );
  });
  assert.deepEqual(made, ["#", "#", "#", "https://example.com/"]);
});
