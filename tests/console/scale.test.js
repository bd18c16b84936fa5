// Ten thousand records, and what a first visit weighs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClean, launch, openPage, Server, signIn, startHub } from "./support.js";

const COUNT = 10_000;
let hub, server, browser;

before(async () => {
  hub = await startHub();
  [server, browser] = await Promise.all([Server.start(hub), launch()]);
  server.seed(COUNT, 30);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await hub?.stop();
});

/** Milliseconds from here to the first row. */
async function timeToRows(page, act) {
  const started = Date.now();
  await act();
  await page.waitForSelector(".upload-row");
  return Date.now() - started;
}

test("ten thousand records: the first rows come soon, and the page holds only what was looked at", async (context) => {
  const page = await openPage(browser);
  await signIn(page, server);
  const first = await timeToRows(page, () => page.goto(`${server.url}/#/uploads`));
  context.diagnostic(`first rows of ${COUNT} records after ${first} ms`);
  assert.ok(first < 10_000, `${first} ms`);
  await page.waitForFunction(() => document.querySelector(".tab .tab-count").innerText === "10,000");
  assert.ok((await page.locator(".upload-row").count()) <= 150);
  const searched = await timeToRows(page, async () => {
    await page.getByRole("searchbox").fill("compass-vae");
    await page.waitForFunction(() =>
      document.querySelector(".upload-row")?.innerText.toLowerCase().includes("compass-vae"),
    );
  });
  context.diagnostic(`found by text after ${searched} ms`);
  await page.goto(`${server.url}/#/uploads`);
  await page.waitForFunction(() => document.querySelectorAll(".upload-row").length >= 50);
  const before_ = await page.locator(".upload-row").count();
  await page.mouse.wheel(0, 100_000);
  await page.waitForFunction((count) => document.querySelectorAll(".upload-row").length > count, before_);
  await assertClean(page, assert);
  await page.context().close();
});

test("filters stand in the address, and a link to them shows the same", async () => {
  const page = await openPage(browser);
  await signIn(page, server, "#/uploads");
  await page.getByRole("button", { name: /^Failed/ }).click();
  await page.getByLabel("Provider").selectOption("civitai");
  await page.waitForFunction(
    () =>
      [...document.querySelectorAll(".upload-row")].length > 0 &&
      [...document.querySelectorAll(".upload-row .status")].every((one) => /Failed|Cancelled/.test(one.textContent)),
  );
  const { hash } = new URL(page.url());
  assert.equal(hash, "#/uploads?status=failed&provider=civitai");
  await page.reload();
  await page.waitForFunction(
    () =>
      document.querySelectorAll(".upload-row .origin").length > 0 &&
      [...document.querySelectorAll(".upload-row .origin")].every((one) => one.textContent === "CV"),
  );
  await assertClean(page, assert);
  await page.context().close();
});

test("a reason for failures leads to the uploads that failed so", async () => {
  const page = await openPage(browser);
  await signIn(page, server, "#/numbers?range=30d");
  await page.getByRole("link", { name: "gated" }).click();
  await page.waitForFunction(
    () =>
      [...document.querySelectorAll(".upload-row")].length > 0 &&
      [...document.querySelectorAll(".upload-row")].every((row) => row.textContent.includes("gated")),
  );
  assert.match(page.url(), /code=gated/);
  await assertClean(page, assert);
  await page.context().close();
});

test("a first visit weighs less than 150 KB, comes from this server alone and shows soon", async (context) => {
  const page = await openPage(browser);
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  let weight = 0;
  const hosts = new Set();
  client.on("Network.loadingFinished", (event) => {
    weight += event.encodedDataLength;
  });
  client.on("Network.requestWillBeSent", (event) => hosts.add(new URL(event.request.url).host));
  const started = Date.now();
  await page.goto(server.link);
  await page.waitForSelector("#source");
  const shown = Date.now() - started;
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  await page.waitForLoadState("load");
  context.diagnostic(
    `${weight} bytes over the wire; usable after ${shown} ms, first paint after ${Math.round(paint)} ms`,
  );
  assert.ok(weight > 10_000 && weight < 150 * 1024, `${weight} bytes`);
  assert.deepEqual([...hosts], [`127.0.0.1:${server.port}`]);
  await page.context().close();
});
