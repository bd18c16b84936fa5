// Keyboard, screen readers, themes, phones, paper.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { assertClean, launch, openPage, Server, signIn, startHub } from "./support.js";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
let hub, server, browser, ids;

before(async () => {
  hub = await startHub();
  [server, browser] = await Promise.all([Server.start(hub), launch()]);
  server.seed(60, 20);
  const good = await server.import({ huggingFaceModelName: "harbour/tugboat-7b" });
  const bad = await server.import({ huggingFaceModelName: "harbour/damaged" });
  const card = await server.import({ civitaiModelUrl: "civitai:8001@9001" });
  const { sync } = await server.api("POST", "/v1/syncs", {
    name: "tugs",
    source: "harbour/tugboat-7b",
    cron: "@daily",
  });
  server.seed("runs");
  ids = { sync: sync.id, good: good.id, bad: bad.id, model: card.entityId };
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await hub?.stop();
});

const views = () => [
  ["#/import", "#source"],
  ["#/import?source=harbour/lantern-embed", ".known[data-tone=good]"],
  ["#/import?source=nothing%20good", ".known[data-tone=bad]"],
  [`#/import?source=${encodeURIComponent(`${hub.files}/long.bin`)}`, "[role=radiogroup]"],
  ["#/uploads", ".upload-row"],
  ["#/uploads?text=no-such-thing", ".empty"],
  [`#/uploads/${ids.good}`, "table.files"],
  [`#/uploads/${ids.bad}`, ".error-box"],
  ["#/models", ".model-row"],
  [`#/models/${ids.model}`, ".words"],
  ["#/syncs", ".sync-row"],
  [`#/syncs/${ids.sync}`, ".run"],
  ["#/numbers?range=30d", ".figure-card"],
];

async function audit(page) {
  await page.evaluate(() => document.getAnimations().forEach((one) => one.finish()));
  const found = await page.evaluate(
    (tags) => globalThis.axe.run(document, { runOnly: { type: "tag", values: tags } }),
    RULES,
  );
  return found.violations.map(
    (one) =>
      `${one.id}: ${one.nodes.map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join("; ")}`,
  );
}

for (const colorScheme of ["light", "dark"]) {
  test(`every view passes axe's rules for WCAG A and AA, ${colorScheme}`, async (context) => {
    // The policy of the page forbids scripts from elsewhere, the audit's own too.
    const page = await openPage(browser, { colorScheme, bypassCSP: true });
    await page.goto(`${server.url}/`);
    await page.waitForSelector(".sign-card");
    await page.addScriptTag({ path: AXE });
    assert.deepEqual(await audit(page), [], "signing in");
    await signIn(page, server);
    let rules = 0;
    for (const [route, sign] of views()) {
      await page.goto(`${server.url}/${route}`);
      await page.waitForSelector(sign);
      if (!(await page.evaluate(() => Boolean(globalThis.axe)))) await page.addScriptTag({ path: AXE });
      assert.deepEqual(await audit(page), [], route);
      rules += 1;
    }
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    assert.deepEqual(await audit(page), [], "help");
    context.diagnostic(`${rules + 2} views, 0 violations`);
    await page.context().close();
  });
}

test("a plan passes the same rules", async () => {
  const page = await openPage(browser, { bypassCSP: true });
  await signIn(page, server, "#/import?source=harbour/tugboat-7b");
  await page.waitForSelector(".known[data-tone=good]");
  await page.press("#source", "Enter");
  await page.waitForSelector(".start-bar");
  await page.addScriptTag({ path: AXE });
  assert.deepEqual(await audit(page), []);
  await page.context().close();
});

test("an import needs no pointer", async () => {
  const page = await openPage(browser);
  await signIn(page, server);
  assert.equal(await page.evaluate(() => document.activeElement.id), "source");
  await page.keyboard.type("harbour/lantern-embed");
  await page.waitForSelector(".known[data-tone=good]");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".start-bar");
  assert.equal(await page.evaluate(() => document.activeElement.innerText.trim()), "Import");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Open the model" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("u");
  await page.waitForSelector(".upload-row");
  await page.keyboard.press("j");
  const name = await page.evaluate(() => document.activeElement.innerText);
  assert.equal(name, "harbour/lantern-embed");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".walk");
  await assertClean(page, assert);
  await page.context().close();
});

test("every control is reached by Tab, in order, with a focus that shows", async () => {
  const page = await openPage(browser);
  await signIn(page, server, "#/uploads");
  await page.waitForSelector(".upload-row");
  await page.reload();
  await page.waitForSelector(".upload-row");
  const stops = [];
  for (let nth = 0; nth < 22; nth += 1) {
    await page.keyboard.press("Tab");
    stops.push(
      await page.evaluate(() => {
        const one = document.activeElement;
        const row = one.closest(".row");
        const shown = getComputedStyle(row && one.matches(".row-link") ? row : one).outlineStyle;
        return { name: (one.getAttribute("aria-label") ?? one.innerText ?? "").trim().split("\n")[0], shown };
      }),
    );
  }
  const names = stops.map((stop) => stop.name);
  for (const name of [
    "Skip to content",
    "Import",
    "Uploads",
    "Models",
    "Syncs",
    "Numbers",
    "Sign out",
    "Search uploads",
  ])
    assert.ok(names.includes(name), `${name} in ${names}`);
  assert.ok(names.indexOf("Skip to content") === 0);
  assert.deepEqual(
    stops.filter((stop) => stop.shown === "none"),
    [],
  );
  await page.context().close();
});

test("a phone shows every view without a sideways scroll", async () => {
  const page = await openPage(browser, { viewport: { width: 360, height: 740 } });
  await signIn(page, server);
  for (const [route, sign] of views()) {
    await page.goto(`${server.url}/${route}`);
    await page.waitForSelector(sign);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(over, 0, route);
  }
  await page.context().close();
});

test("the theme is the system's until one is chosen, and a choice stays", async () => {
  const page = await openPage(browser, { colorScheme: "dark" });
  await signIn(page, server);
  const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await paper();
  await page.keyboard.press("Escape");
  await page.keyboard.press("t");
  const light = await paper();
  assert.notEqual(light, dark);
  await page.reload();
  await page.waitForSelector("nav.nav");
  assert.equal(await paper(), light);
  await page.context().close();
});

test("times are in the reader's zone", async () => {
  const shown = async (timezoneId) => {
    const page = await openPage(browser, { timezoneId });
    await signIn(page, server, `#/uploads/${ids.good}`);
    await page.waitForSelector(".step-text time");
    const text = await page.locator(".step-text time").first().innerText();
    await page.context().close();
    return text;
  };
  assert.notEqual(await shown("Asia/Tokyo"), await shown("America/New_York"));
});
