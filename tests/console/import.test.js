// The first import, end to end, and one that fails.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { assertClean, launch, openPage, Server, signIn, startHub } from "./support.js";

let hub, server, browser;

before(async () => {
  hub = await startHub();
  [server, browser] = await Promise.all([Server.start(hub), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await hub?.stop();
});

const text = (page, selector) => page.locator(selector).first().innerText();

test("the link that serve prints signs in, and its key leaves the address", async () => {
  const page = await openPage(browser);
  await page.goto(server.link);
  await page.waitForSelector("#source");
  assert.equal(new URL(page.url()).hash, "#/import");
  assert.equal(await page.evaluate(() => localStorage.getItem("modelferry.key")), null);
  await assertClean(page, assert);
  await page.context().close();
});

test("a source becomes a model: named, planned, chosen, started, watched, opened", async () => {
  const page = await openPage(browser);
  await signIn(page, server);
  await page.fill("#source", "harbour/tugboat-7b");
  await page.waitForSelector(".known[data-tone=good]");
  assert.match(await text(page, ".known"), /Hugging Face model harbour\/tugboat-7b/);
  await page.press("#source", "Enter");
  await page.waitForSelector(".start-bar");
  assert.equal(await page.locator("table.files tbody tr").count(), 5);
  assert.match(await text(page, ".tiles"), /20\.\d MiB/);
  await page.getByLabel("Import README.md").uncheck();
  assert.match(await text(page, ".start-bar"), /4 files/);
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.waitForSelector(".step[data-state=done]:nth-child(4)");
  assert.match(await text(page, "main .status"), /Imported/);
  const paths = await page.locator("table.files .path").allInnerTexts();
  assert.equal(paths.includes("README.md"), false);
  await page.getByRole("link", { name: "Open the model" }).click();
  await page.waitForSelector("table.files");
  assert.equal(await text(page, "h1"), "harbour/tugboat-7b");
  assert.match(await text(page, "main"), /Provenance[\s\S]*Pinned revision/);
  assert.match(await text(page, "main"), /modelferry export model_[0-9a-f]{32} --layout files/);
  await assertClean(page, assert);
  await page.context().close();
});

test("a mistake is explained while it is typed, and nothing is asked of a hub", async () => {
  const page = await openPage(browser);
  await signIn(page, server);
  await page.fill("#source", "https://civitai.com/models/not-a-number");
  await page.waitForSelector(".known[data-tone=bad]");
  assert.match(await text(page, ".known"), /civitai\.com\/models\/\d+/);
  await page.fill("#source", "nothing like a source");
  await page.waitForFunction(() =>
    document.querySelector(".known")?.innerText.includes("no source that any provider knows"),
  );
  await assertClean(page, assert);
  await page.context().close();
});

test("a failed import says what happened, what to do, and can be tried again", async () => {
  const page = await openPage(browser);
  await signIn(page, server);
  const upload = await server.import({ huggingFaceModelName: "harbour/damaged" });
  assert.equal(upload.status, "failed");
  await page.goto(`${server.url}/#/uploads?status=failed`);
  await page.getByRole("link", { name: "harbour/damaged" }).click();
  await page.waitForSelector(".error-box .error-hint");
  assert.match(await text(page, ".error-box"), /hash_mismatch/);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".error-box").length === 0, null, { polling: 20 });
  await page.waitForSelector(".error-box .error-hint");
  await assertClean(page, assert);
  await page.context().close();
});

test("a file that was not there is imported by the retry button once it is", async () => {
  let isThere = false;
  const origin = createServer((request, answer) => {
    answer.writeHead(isThere ? 200 : 404, {
      "content-type": "application/octet-stream",
      "content-length": isThere ? 4 : 0,
    });
    answer.end(isThere && request.method === "GET" ? "data" : undefined);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => origin.once("listening", resolve));
  const url = `http://127.0.0.1:${origin.address().port}/late.bin`;
  const upload = await server.import({ url, kind: "asset" });
  assert.equal(upload.status, "failed");
  const page = await openPage(browser);
  await signIn(page, server, `#/uploads/${upload.id}`);
  await page.waitForSelector(".error-box");
  isThere = true;
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("link", { name: "Open the asset" }).click();
  await page.waitForSelector("table.files");
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download late.bin" }).click();
  const file = await (await download).createReadStream();
  let bytes = "";
  for await (const chunk of file) bytes += chunk;
  assert.equal(bytes, "data");
  origin.close();
  await assertClean(page, assert);
  await page.context().close();
});

test("a pasted list starts every source that is one", async () => {
  const page = await openPage(browser);
  await signIn(page, server);
  await page.fill(
    "#source",
    `harbour/lantern-embed\n# a comment\ncivitai:8001@9001\nno source at all\n${hub.files}/releases/compass.safetensors\nharbour/lantern-embed`,
  );
  await page.waitForSelector(".many-row");
  assert.equal(await page.locator(".many-row").count(), 4);
  await page.getByRole("radio", { name: "model", exact: true }).click();
  await page.getByRole("button", { name: "Import 3 sources" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".many-row .status[data-tone=good]").length === 3);
  await page.getByRole("link", { name: "Watch them" }).click();
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".upload-row")].slice(0, 3).every((row) => row.innerText.includes("Imported")),
  );
  await assertClean(page, assert);
  await page.context().close();
});
