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
  const rate = bandwidth < 1e6 ? `${Math.round(bandwidth / 1e3)} k` : `${(bandwidth / 1e6).toFixed(1)} M`;
  const told = bandwidth ? ` · ${rate}bit/s` : "";
  return `${height}p · ${width}×${height}${told} · ${codec}`;
}

function spoken({ label, language: code, channelsCount, roles = [] }) {
  const channels = channelsCount && `${channelsCount} channel${channelsCount === 1 ? "" : "s"}`;
  const more = [channels, ...roles].filter(Boolean);
  return [label || language(code), ...more].join(" · ");
}

const picked = (tracks, value) => (value === "" ? null : tracks[Number(value)]);

// The track that is like one of another manifest.
function alike(tracks, other, names) {
  return other && tracks.find((one) => names.every((name) => one[name] === other[name]));
}

export class Controls {
  // What somebody has chosen; null: nothing.
  #chosen = { picture: null, sound: null, captions: null };

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
      else video.closest(".film").requestFullscreen?.();
    });
    for (const name of ["play", "pause", "ended", "volumechange", "timeupdate", "durationchange"]) {
      video.addEventListener(name, () => this.tell());
    }
    this.#seekBar();
    element("picture").addEventListener("change", ({ target }) => {
      this.#picture(picked(this.pictures, target.value));
      this.#offer();
    });
    element("sound").addEventListener("change", ({ target }) => {
      this.#chosen.sound = picked(this.sounds, target.value);
      player.selectAudioTrack(this.#chosen.sound);
    });
    element("captions").addEventListener("change", ({ target }) => {
      this.#chosen.captions = picked(this.texts, target.value);
      player.selectTextTrack(this.#chosen.captions);
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

  // A manifest was read: what was chosen of another holds for it, too, where it has that.
  opened() {
    const { player } = this;
    const { picture: shown, sound, captions } = this.#chosen;
    this.#list();
    const heard = alike(this.sounds, sound, ["language", "channelsCount"]);
    if (heard) player.selectAudioTrack(heard);
    const read = alike(this.texts, captions, ["language", "forced"]);
    // Of HLS shaka-player learns when captions are due from pictures that come after it was asked
    // for some: too late where all pictures are there already.
    if (this.texts.length) player.selectTextTrack(read ?? this.texts[0]);
    if (!read) player.selectTextTrack(null);
    this.#picture(alike(this.pictures, shown, ["height", "codecs"]) ?? null);
  }

  // It is loaded: other small pictures.
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

  #picture(track) {
    this.#chosen.picture = track;
    this.player.configure({ abr: { enabled: track === null } });
    if (track) this.player.selectVideoTrack(track, true);
  }

  #list() {
    const { player } = this;
    this.pictures = player.getVideoTracks().sort((one, other) => other.bandwidth - one.bandwidth);
    this.sounds = player.getAudioTracks();
    this.texts = player.getTextTracks();
  }

  #offer() {
    this.#list();
    const active = this.pictures.find((one) => one.active);
    const auto = active ? `Auto (${active.height}p)` : "Auto";
    this.#fill("picture", this.pictures, picture, this.#chosen.picture === null, auto);
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
