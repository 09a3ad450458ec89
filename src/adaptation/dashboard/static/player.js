// The film of a job: begins by itself when there is one, and plays it with the library that npm has
// brought. Without that, or without this, the browser's own player shows what it can.

import { Controls } from "./player_controls.js";
import { Thumbnails } from "./player_thumbnails.js";

const NEWS_MS = 500;
const part = document.getElementById("film-part");
const now = () => document.getElementById("film-now");
const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
let player;
let controls;
let wanted = null; // the second that was asked for while there was nothing to seek in

function say(words) {
  const place = document.getElementById("film-says") ?? document.getElementById("film-sentence");
  if (place) place.textContent = words;
}

// Ask what there is by now; whether it is another.
async function lookAgain() {
  const { from, state } = now().dataset;
  const answer = await fetch(from, { headers: { "HX-Request": "true" } });
  if (answer.status === 401) {
    say("Nobody is signed in any more: load the page again.");
    return false;
  }
  if (!answer.ok) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = fresh.getElementById("film-now");
  if (!found || (found.dataset.state === state && state !== "waiting")) return false;
  now().replaceWith(document.adoptNode(found));
  return found.dataset.state !== state;
}

// Wait until there is something to see, then begin by oneself.
function wait() {
  const seconds = Number(now().dataset.again);
  if (!seconds) return;
  window.setTimeout(async () => {
    const isNew = await lookAgain().catch(() => false);
    if (isNew && now().dataset.state !== "waiting") await begin(true);
    else wait();
  }, seconds * 1000);
}

// The player's library, fetched once: also while there is nothing to play yet.
let coming;
const library = () => (coming ??= fetched());

async function fetched() {
  if (!part.dataset.script) return undefined;
  const script = Object.assign(document.createElement("script"), { src: part.dataset.script });
  await new Promise((done) => {
    script.onload = script.onerror = done;
    document.head.append(script);
  });
  window.shaka?.polyfill.installAll();
  return window.shaka;
}

async function begin(cameByItself = false) {
  const { state, hls, dash, sprite } = now().dataset;
  if (state === "waiting") {
    library();
    wait();
  }
  const video = document.getElementById("film");
  if (!video || !hls) return;
  const comesAlone = state === "growing" || cameByItself;
  if (comesAlone) video.muted = true;
  const shaka = await library();
  if (shaka?.Player.isBrowserSupported()) await playBy(shaka, video, { dash, hls }, sprite);
  else playAlone(video);
  // Who does not want things to move starts it by hand.
  if (comesAlone && !still) await video.play().catch(() => {});
}

function playAlone(video) {
  const sources = video.querySelectorAll("source");
  sources[sources.length - 1]?.addEventListener("error", () => {
    say("This browser plays no HLS by itself. A player for it comes with npm: make assets");
  });
}

async function playBy(shaka, video, urls, sprite) {
  // With a place for them it sets captions above the picture itself, and at once: browsers differ
  // in when they show new ones on a picture that stands still.
  player = new shaka.Player(null, video.parentElement);
  player.addEventListener("error", ({ detail }) => complain(detail));
  await player.attach(video);
  for (const source of [...video.querySelectorAll("source")]) source.remove();
  video.addEventListener("canplay", goWhereWanted);
  controls = new Controls(video, player, (kind) => open(urls[kind], sprite));
  await open(urls.dash || urls.hls, sprite);
}

async function open(url, sprite) {
  say("");
  const video = document.getElementById("film");
  const at = video.currentTime;
  const plays = !video.paused;
  try {
    await player.load(new URL(url, location.origin).href, at);
    controls.opened();
    if (sprite && !player.getImageTracks().length) {
      await player.addThumbnailsTrack(new URL(sprite, location.origin).href, "text/vtt");
    }
  } catch (error) {
    await complain(error);
    return;
  }
  controls.loaded(new Thumbnails(player));
  if (plays) await video.play().catch(() => {});
}

// What failed may be another thing by now: an asset that was encrypted at its end, or is gone.
async function complain(error) {
  if (error?.severity === window.shaka.util.Error.Severity.RECOVERABLE) return;
  if (error?.code === window.shaka.util.Error.Code.LOAD_INTERRUPTED) return;
  if (await lookAgain().catch(() => false)) {
    const spent = player;
    controls = player = undefined;
    await spent.destroy();
    await begin(true);
    return;
  }
  const code = error?.code ? `shaka-player, ${error.code}` : `${error}`;
  say(`It cannot be played here (${code}). Load the page again, or use another player.`);
}

function seek(video, seconds) {
  // While it begins or changes tracks it has nothing, and would lose its way.
  wanted = player && !video.buffered.length ? seconds : null;
  if (wanted !== null) return;
  const range = player?.seekRange();
  video.currentTime = range?.end ? Math.min(Math.max(seconds, range.start), range.end) : seconds;
}

function goWhereWanted() {
  const video = document.getElementById("film");
  if (video && wanted !== null) seek(video, wanted);
}

// Anybody on the page may lead to a moment of the film.
document.addEventListener("film:seek", ({ detail }) => {
  const video = document.getElementById("film");
  const seconds = Number(detail?.seconds);
  if (!video || !Number.isFinite(seconds)) return;
  seek(video, seconds);
  video.scrollIntoView({ block: "nearest" });
});

if (part) {
  window.setInterval(() => {
    // A change of tracks that ends quickly is told by no event.
    goWhereWanted();
    controls?.tell();
  }, NEWS_MS);
  begin();
}
