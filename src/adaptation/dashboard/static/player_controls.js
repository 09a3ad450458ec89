// The controls below the film: all are elements that a keyboard reaches and a screen reader names.

const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
};
const element = (name) => document.getElementById(`film-${name}`);
const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

function language(code) {
  if (!code || code === "und") return "unknown language";
  try {
    return names.of(code);
  } catch {
    return code;
  }
}

function picture({ width, height, bandwidth, codecs }) {
  const codec = (codecs ?? "").split(".")[0];
  const rate = bandwidth ? ` · ${(bandwidth / 1e6).toFixed(1)} Mbit/s` : "";
  return `${height}p · ${width}×${height}${rate} · ${codec}`;
}

function spoken({ label, language: code, channelsCount, roles = [] }) {
  const more = [channelsCount && `${channelsCount} channels`, ...roles].filter(Boolean);
  return [label || language(code), ...more].join(" · ");
}

export class Controls {
  constructor(video, player, choose) {
    this.video = video;
    this.player = player;
    this.thumbnails = null;
    video.removeAttribute("controls");
    for (const name of ["bar", "choices"]) element(name).hidden = false;
    this.#listen(choose);
    this.tell();
  }

  #listen(choose) {
    const { video, player } = this;
    const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
    element("play").addEventListener("click", toggle);
    video.addEventListener("click", toggle);
    element("mute").addEventListener("click", () => (video.muted = !video.muted));
    element("volume").addEventListener("input", ({ target }) => {
      video.volume = Number(target.value);
      video.muted = video.volume === 0;
    });
    element("full").addEventListener("click", () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else video.parentElement.requestFullscreen?.();
    });
    for (const name of ["play", "pause", "ended", "volumechange", "timeupdate", "durationchange"]) {
      video.addEventListener(name, () => this.tell());
    }
    this.#seekBar();
    element("picture").addEventListener("change", ({ target }) => this.#picture(target.value));
    element("sound").addEventListener("change", ({ target }) => {
      player.selectAudioTrack(this.sounds[Number(target.value)]);
    });
    element("captions").addEventListener("change", ({ target }) => {
      player.selectTextTrack(target.value === "" ? null : this.texts[Number(target.value)]);
    });
    element("manifest").addEventListener("change", ({ target }) => choose(target.value));
    for (const name of ["trackschanged", "adaptation", "variantchanged"]) {
      player.addEventListener(name, () => this.#offer());
    }
  }

  #seekBar() {
    const at = element("at");
    at.addEventListener("input", () => {
      const seconds = Number(at.value);
      document.dispatchEvent(new CustomEvent("film:seek", { detail: { seconds } }));
      this.#preview(seconds);
    });
    at.addEventListener("pointermove", (event) => {
      const box = at.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      const [from, to] = [Number(at.min), Number(at.max)];
      this.#preview(from + share * (to - from));
    });
    at.addEventListener("focus", () => this.#preview(Number(at.value)));
    for (const name of ["pointerleave", "blur"]) {
      at.addEventListener(name, () => this.thumbnails?.hide());
    }
  }

  #preview(wanted) {
    const { min, max } = element("at");
    // Nothing is shown at the very end.
    const seconds = Math.min(wanted, Number(max) - 0.1);
    const share = (seconds - Number(min)) / Math.max(0.001, Number(max) - Number(min));
    this.thumbnails?.show(seconds, share);
  }

  // A manifest was loaded: other tracks, and other small pictures.
  loaded(thumbnails) {
    this.thumbnails = thumbnails;
    this.#offer();
    this.tell();
  }

  tell() {
    const { video, player } = this;
    const { start, end } = player.seekRange();
    const at = element("at");
    at.min = start;
    at.max = end;
    at.value = video.currentTime;
    const told = `${clock(video.currentTime)} of ${clock(end)}${player.isLive() ? " so far" : ""}`;
    at.setAttribute("aria-valuetext", told);
    element("time").textContent = told;
    element("play").textContent = video.paused ? "Play" : "Pause";
    element("mute").textContent = video.muted ? "Muted" : "Mute";
    element("mute").setAttribute("aria-pressed", video.muted);
    element("volume").value = video.muted ? 0 : video.volume;
  }

  #picture(value) {
    const isFree = value === "";
    this.player.configure({ abr: { enabled: isFree } });
    if (!isFree) this.player.selectVideoTrack(this.pictures[Number(value)], true);
    this.isFree = isFree;
    this.#offer();
  }

  isFree = true;

  #offer() {
    const { player } = this;
    this.pictures = player.getVideoTracks().sort((one, other) => other.bandwidth - one.bandwidth);
    this.sounds = player.getAudioTracks();
    this.texts = player.getTextTracks();
    const active = this.pictures.find((one) => one.active);
    const auto = active ? `Auto (${active.height}p)` : "Auto";
    this.#fill("picture", this.pictures, picture, this.isFree, auto);
    this.#fill("sound", this.sounds, spoken, false);
    const read = this.texts.some((one) => one.active);
    this.#fill("captions", this.texts, spoken, !read, "Off");
  }

  #fill(name, tracks, told, isFirst, first) {
    const options = tracks.map((one, index) => new Option(told(one), index));
    if (first) options.unshift(new Option(first, ""));
    const list = element(name);
    const words = options.map(({ text }) => text).join("\n");
    // Not while it is the same: a list that is open would close.
    if (list.dataset.words !== words) {
      list.replaceChildren(...options);
      list.dataset.words = words;
    }
    list.value = isFirst ? "" : `${tracks.findIndex((one) => one.active)}`;
    list.closest("label").hidden = options.length < 2;
  }
}
