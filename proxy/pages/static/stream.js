// A stream played by hls.js, which the set-up installs; without it by what the browser can play itself.

import { by, make } from "./dom.js";

const RATE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const PLAYLIST = "application/vnd.apple.mpegurl";

export const bits = (rate) => (rate >= 1e6 ? `${RATE.format(rate / 1e6)} Mbit/s` : `${Math.round(rate / 1e3)} kbit/s`);

// The module, or null where it is not installed or cannot work here.
export async function installed(players) {
  if (!players.includes("hls.js")) return null;
  const { default: Hls } = await import("/ui/hls.js");
  return Hls.isSupported() ? Hls : null;
}

export const native = (media) => media.canPlayType(PLAYLIST) !== "";

// The name of a rung, from the address of its playlist.
const rung = (url) => new URL(url, location.href).pathname.split("/").at(-2) ?? "";

export class Stream {
  // `loaded` is told of every part, `failed` of what ends the playing.
  constructor(Hls, media, url, { loaded, failed }) {
    // The page lets no script make a worker of its own text; segments need no work that would be worth one.
    this.hls = new Hls({ enableWorker: false, maxBufferLength: 30, backBufferLength: 60 });
    this.Events = Hls.Events;
    const { Events } = Hls;
    this.hls.on(Events.FRAG_LOADED, (_, { frag, networkDetails }) => loaded(part(frag, networkDetails, this.#name(frag))));
    this.hls.on(Events.MANIFEST_PARSED, () => this.#showRungs());
    this.hls.on(Events.LEVEL_SWITCHED, () => this.#markRungs());
    this.hls.on(Events.AUDIO_TRACKS_UPDATED, () => this.#showTracks());
    this.hls.on(Events.AUDIO_TRACK_SWITCHED, () => this.#showTracks());
    this.hls.on(Events.SUBTITLE_TRACKS_UPDATED, () => this.#showWords());
    let mended = false;
    this.hls.on(Events.ERROR, (_, error) => {
      if (!error.fatal) return;
      if (error.type === Hls.ErrorTypes.MEDIA_ERROR && !mended) {
        mended = true;
        this.hls.recoverMediaError();
      } else failed(error);
    });
    by("tracks").onchange = (event) => (this.hls.audioTrack = Number(event.target.value));
    by("words").onchange = (event) => this.#speak(Number(event.target.value));
    this.hls.loadSource(url);
    this.hls.attachMedia(media);
  }

  close() {
    this.hls.destroy();
  }

  #name({ type, level, baseurl }) {
    return type === "main" ? rung(this.hls.levels[level]?.url[0] ?? baseurl) : rung(baseurl);
  }

  #showRungs() {
    const auto = make("button", { type: "button", "data-level": -1, onclick: () => this.#choose(-1) }, make("b", {}, "auto"), make("small", {}, "by the line"));
    const levels = this.hls.levels.map((level, place) =>
      make(
        "button",
        { type: "button", "data-level": place, title: level.attrs.CODECS ?? "", onclick: () => this.#choose(place) },
        make("b", {}, rung(level.url[0])),
        make("small", {}, [level.height ? `${level.width} × ${level.height}` : "sound", level.frameRate ? `${RATE.format(level.frameRate)} fps` : "", bits(level.bitrate)].filter(Boolean).join(", ")),
      ),
    );
    by("rungs").replaceChildren(auto, ...levels);
    this.#markRungs();
  }

  #choose(level) {
    this.hls.nextLevel = level;
    this.#markRungs(level);
  }

  #markRungs(chosen = this.hls.autoLevelEnabled ? -1 : this.hls.manualLevel) {
    for (const button of by("rungs").children) {
      const level = Number(button.dataset.level);
      button.setAttribute("aria-pressed", String(level === chosen));
      button.toggleAttribute("data-playing", level >= 0 && level === this.hls.currentLevel);
    }
  }

  #showTracks() {
    const tracks = this.hls.audioTracks;
    by("tracks-label").hidden = tracks.length < 2;
    by("tracks").replaceChildren(...tracks.map((track, place) => make("option", { value: place, selected: place === this.hls.audioTrack }, label(track))));
  }

  #showWords() {
    const tracks = this.hls.subtitleTracks;
    by("words-label").hidden = !tracks.length;
    const options = tracks.map((track, place) => make("option", { value: place, selected: place === this.hls.subtitleTrack }, label(track)));
    by("words").replaceChildren(make("option", { value: -1 }, "none"), ...options);
  }

  #speak(track) {
    this.hls.subtitleDisplay = track >= 0;
    this.hls.subtitleTrack = track;
  }
}

const label = ({ name, lang }) => [name, lang && lang !== name ? `(${lang})` : ""].filter(Boolean).join(" ");

// A part that was loaded, in the words of the table.
function part(frag, details, rung) {
  const { loading, loaded, total } = frag.stats;
  const field = (name) => (details?.getResponseHeader ? details.getResponseHeader(name) : details?.headers?.get(name));
  const name = frag.sn === "initSegment" ? "head" : String(frag.sn);
  return { url: frag.url, rung, name, seconds: frag.sn === "initSegment" ? 0 : frag.duration, size: loaded || total, took: loading.end - loading.start, field };
}
