// A server that dies, a line that is cut, a key that is revoked.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClean, launch, openPage, Proxy, Server, signIn, startHub } from "./support.js";

let hub, browser;

before(async () => {
  hub = await startHub({ rate: "1500kB" });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

const share = (page) =>
  page.evaluate(() => Number(document.querySelector("main .crossing-fill")?.style.getPropertyValue("--share") ?? 0));

test("a server killed in the middle of an upload comes back, and the page goes on by itself", async () => {
  const server = await Server.start(hub);
  const page = await openPage(browser);
  await signIn(page, server);
  const { id } = await server.import(
    { url: `${hub.files}/releases/compass.safetensors`, kind: "model" },
    { waits: false },
  );
  await page.goto(`${server.url}/#/uploads/${id}`);
  await page.waitForFunction(
    () => Number(document.querySelector("main .crossing-fill")?.style.getPropertyValue("--share")) > 0.05,
  );
  const before_ = await share(page);
  await server.kill();
  await page.waitForSelector(".line:not([hidden])");
  assert.match(await page.locator(".line").innerText(), /No connection to the server; trying again/);
  assert.ok((await share(page)) >= before_, "what is known stays on the page");
  await server.up();
  await page.waitForSelector(".line", { state: "hidden" });
  await page.waitForSelector(".step[data-state=done]:nth-child(4)");
  assert.match(await page.locator("main .status").first().innerText(), /Imported/);
  await assertClean(page, assert);
  await page.context().close();
  await server.stop();
});

test("a line that is cut is taken up after the last event, and what happened meanwhile is shown", async () => {
  const server = await Server.start(hub);
  const proxy = await Proxy.start(server.port);
  const page = await openPage(browser);
  await page.goto(server.linkBy(proxy.port));
  await page.waitForSelector("#source");
  await page.goto(`http://127.0.0.1:${proxy.port}/#/uploads`);
  await page.waitForSelector(".empty");
  const upload = await server.import({ url: `${hub.files}/long.bin`, kind: "asset" }, { waits: false });
  await page.getByRole("button", { name: "1 new upload: show" }).click();
  await page.waitForSelector(`.upload-row[data-id="${upload.id}"] .status[data-tone=live]`);
  const asked = [];
  page.on(
    "request",
    (request) => request.url().endsWith("/v1/events") && asked.push(request.headers()["last-event-id"] ?? null),
  );
  proxy.refuses = true;
  proxy.cut();
  await page.waitForSelector(".line:not([hidden])");
  await server.api("POST", `/v1/uploads/${upload.id}/action`, { action: "cancel" });
  proxy.refuses = false;
  await page.getByRole("button", { name: "Try now" }).click();
  await page.waitForFunction(
    (id) => document.querySelector(`.upload-row[data-id="${id}"]`)?.innerText.includes("Cancelled"),
    upload.id,
  );
  await page.waitForSelector(".line", { state: "hidden" });
  assert.match(asked.at(-1) ?? "", /^\d+$/);
  await assertClean(page, assert);
  await page.context().close();
  proxy.stop();
  await server.stop();
});

test("a revoked key ends in the sign-in view, which says so", async () => {
  const server = await Server.start(hub);
  const page = await openPage(browser);
  await signIn(page, server, "#/uploads");
  await page.waitForSelector(".empty");
  server.run("keys", "create");
  server.run("keys", "revoke", server.key.id);
  await page.keyboard.press("g");
  await page.keyboard.press("m");
  await page.waitForSelector(".sign-card .error-box");
  assert.match(await page.locator(".sign-card").innerText(), /no longer works/);
  assert.equal(await page.evaluate(() => sessionStorage.getItem("modelferry.key")), null);
  const [, id, secret] = /key\s+(\S+)\s+secret\s+(\S+)/.exec(server.run("keys", "create"));
  await page.fill("#key", id);
  await page.fill("#secret", "wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForFunction(() => document.querySelector(".sign-card .error-box")?.innerText.includes("wrong"));
  await page.fill("#secret", secret);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForSelector("nav.nav");
  await assertClean(page, assert);
  await page.context().close();
  await server.stop();
});

test("nothing jumps while uploads move, end and come", async () => {
  const server = await Server.start(hub);
  const page = await openPage(browser);
  await signIn(page, server, "#/uploads");
  await page.waitForSelector(".empty");
  const first = await server.import(
    { url: `${hub.files}/releases/compass.safetensors`, kind: "model" },
    { waits: false },
  );
  await page.getByRole("button", { name: "1 new upload: show" }).click();
  await page.waitForSelector(`.upload-row[data-id="${first.id}"] .status[data-tone=live]`);
  await page.evaluate(() => {
    globalThis.jumps = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.jumps.push(entry.value);
    }).observe({ type: "layout-shift", buffered: false });
  });
  await server.import({ huggingFaceModelName: "harbour/lantern-embed" });
  await server.ended(first.id);
  await page.waitForFunction(
    (id) => document.querySelector(`.upload-row[data-id="${id}"]`)?.textContent.includes("Imported"),
    first.id,
  );
  await page.waitForSelector(".pill");
  assert.deepEqual(await page.evaluate(() => globalThis.jumps), []);
  await assertClean(page, assert);
  await page.context().close();
  await server.stop();
});

test("an upload is cancelled and tried again from its row", async () => {
  const server = await Server.start(hub);
  const { id } = await server.import({ url: `${hub.files}/long.bin`, kind: "asset" }, { waits: false });
  const page = await openPage(browser);
  await signIn(page, server, "#/uploads");
  const row = page.locator(`.upload-row[data-id="${id}"]`);
  await row.getByRole("button", { name: /^Cancel/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the upload" }).click();
  await row.getByText("Cancelled", { exact: true }).waitFor();
  await row.getByRole("button", { name: /again$/ }).click();
  await row.locator(".status[data-tone=live]").waitFor();
  await server.api("POST", `/v1/uploads/${id}/action`, { action: "cancel" });
  await row.getByText("Cancelled", { exact: true }).waitFor();
  await assertClean(page, assert);
  await page.context().close();
  await server.stop();
});
