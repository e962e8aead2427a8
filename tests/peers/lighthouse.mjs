// Lighthouse for one browser: reads an address a line, writes what it found as JSON, a line each.
// Environment: PORT (where Chromium is told what to do), CATEGORIES (with commas between them).
import { createInterface } from "node:readline";
import lighthouse from "lighthouse";

const LONGEST_LOOK_MS = 120_000;
const settings = {
  port: Number(process.env.PORT),
  logLevel: "silent",
  throttlingMethod: "simulate",
  onlyCategories: process.env.CATEGORIES.split(","),
  // The session is in the cookies of this profile.
  disableStorageReset: true,
  // None of them counts in a score, and each takes seconds: pictures, and the way there and back again.
  disableFullPageScreenshot: true,
  skipAudits: ["screenshot-thumbnails", "final-screenshot", "bf-cache"],
};

for await (const address of createInterface({ input: process.stdin })) {
  const hangs = setTimeout(() => process.exit(1), LONGEST_LOOK_MS);
  let found;
  try {
    found = (await lighthouse(address, settings)).lhr;
  } catch (error) {
    found = { runtimeError: { message: String(error) } };
  }
  clearTimeout(hangs);
  const { runtimeError, finalDisplayedUrl, categories, audits } = found;
  process.stdout.write(JSON.stringify({ runtimeError, finalDisplayedUrl, categories, audits }) + "\n");
}
