// Do what a person does with pages, step by step, and print what was seen as JSON: a line for each
// line that asks for it. Every visit is somebody else's, who knows nothing of the others.
//
// usage: node drive.mjs CHROMIUM < {"url", "width", "dark", "scripts", "steps": [[verb, …], …]}

import fs from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PATIENCE_MS = 60_000;
const LONG_PATIENCE_MS = 150_000;
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.argv[2],
  headless: true,
  args: ARGUMENTS,
});
// Whoever goes on to another page breaks off what this one was just asking for.
const BROKEN_OFF = /^htmx: htmx:(sse:)?error: Failed to fetch/;

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await visit(JSON.parse(line))));
}
await browser.close();

async function visit(wanted) {
  const context = await browser.newContext({
    viewport: { width: wanted.width, height: 900 },
    colorScheme: wanted.dark ? "dark" : "light",
    javaScriptEnabled: wanted.scripts,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const errors = [];
  const dialogs = [];
  page.on("pageerror", (error) => errors.push(`${error}`));
  page.on("console", (said) => {
    if (said.type() === "error" && !BROKEN_OFF.test(said.text())) errors.push(said.text());
  });
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    dialog.accept();
  });

  const verbs = {
    goto: (path) => page.goto(wanted.url + path, { waitUntil: "domcontentloaded" }),
    // Goes to the address that will stand in a file.
    follow: async (path) => {
      while (!fs.existsSync(path)) await new Promise((done) => setTimeout(done, 20));
      await page.goto(fs.readFileSync(path, "utf8"), { waitUntil: "domcontentloaded" });
    },
    // Tells whoever waits for the file that the steps have come so far.
    touch: (path) => fs.writeFileSync(path, ""),
    fill: (selector, text) => page.fill(selector, text),
    choose: (selector, text) => page.selectOption(selector, text),
    check: (selector) => page.check(selector),
    press: (key) => page.keyboard.press(key),
    click: (selector) => page.click(selector),
    // Waits until an element is there that has the words in it.
    see: (selector, words) => page.locator(selector, { hasText: words }).first().waitFor(),
    // Waits until some JavaScript is true on the page; what is encoded meanwhile takes its time.
    until: async (code) => {
      const end = Date.now() + LONG_PATIENCE_MS;
      while (!(await page.evaluate(code))) {
        if (Date.now() > end) throw new Error(`never: ${code}`);
        await new Promise((done) => setTimeout(done, 50));
      }
    },
    hover: (selector) => page.hover(selector),
    gone: (selector) => page.locator(selector).first().waitFor({ state: "detached" }),
    text: (selector) => page.locator(selector).first().textContent(),
    count: (selector) => page.locator(selector).count(),
    focused: () => page.evaluate(() => document.activeElement?.id || document.activeElement?.tagName),
    value: (expression) => page.evaluate(expression),
    // Another site: a whole address.
    open: (address) => page.goto(address, { waitUntil: "load" }),
    frames: () => page.frames().map((frame) => frame.url()),
    wide: () => page.evaluate(() => document.documentElement.scrollWidth),
    picture: (path) => page.screenshot({ path, fullPage: true }).then(() => path),
    part: (selector, path) => page.locator(selector).screenshot({ path }).then(() => path),
    axe: async () => {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`);
    },
  };

  const seen = [];
  try {
    for (const [verb, ...words] of wanted.steps) seen.push((await verbs[verb](...words)) ?? null);
  } catch (error) {
    errors.push(`step ${seen.length + 1}: ${error.message}`);
  }
  await context.close();
  return { seen: seen.map((one) => (one?.url ? null : one)), errors, dialogs };
}
