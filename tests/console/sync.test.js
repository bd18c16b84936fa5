// Syncs: made, run, paused, and what a run found.

import assert from "node:assert/strict";
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

test("a sync is made, looked ahead of, run, paused and found again in the list", async () => {
  const page = await openPage(browser);
  await signIn(page, server, "#/syncs");
  await page.getByRole("button", { name: "Make the first sync" }).click();
  await page.getByLabel("Name").fill("tugs");
  await page.getByLabel("Source").fill("harbour/tugboat-7b");
  await page.getByLabel("When").selectOption("0 6 * * MON-FRI");
  await page.getByRole("button", { name: "Make it" }).click();
  await page.waitForSelector(".next-runs time");
  assert.equal(await page.locator("h1").innerText(), "tugs");
  assert.match(await page.locator("main").innerText(), /It has not run yet/);
  await page.getByRole("button", { name: "What would come?" }).click();
  await page.getByRole("heading", { name: "What would come" }).waitFor();
  assert.match(await page.locator("main").innerText(), /1 new/);
  await page.getByRole("button", { name: "Run now" }).click();
  await page.locator(".run[open]").getByText("Done", { exact: true }).waitFor();
  assert.match(await page.locator(".run[open]").innerText(), /1 new[\s\S]*New \(1\)[\s\S]*harbour\/tugboat-7b/);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  await page.goto(`${server.url}/#/syncs`);
  await page.getByRole("link", { name: "tugs" }).waitFor();
  assert.match(await page.locator(".sync-row").innerText(), /Paused/);
  assert.equal(await page.locator(".sync-row .strip-day[data-tone=good]").count(), 1);
  await assertClean(page, assert);
  await page.context().close();
});

test("a sync that can't be made says why", async () => {
  const page = await openPage(browser);
  await signIn(page, server, "#/syncs");
  await page.getByRole("button", { name: "New sync" }).click();
  await page.getByLabel("Name").fill("odd");
  await page.getByLabel("Source").fill("harbour/tugboat-7b");
  await page.getByLabel("When").selectOption("");
  await page.getByLabel("Cron").fill("every now and then");
  await page.getByRole("button", { name: "Make it" }).click();
  await page.waitForSelector("form .error-box");
  assert.match(await page.locator("form .error-box").innerText(), /cron|five/i);
  await assertClean(page, assert);
  await page.context().close();
});
