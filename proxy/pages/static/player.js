// The player: a film or a sound, how its stream comes, and the addresses of it all.

import { by, make } from "./dom.js";
import { SeekBar } from "./seekbar.js";
import * as server from "./server.js";
import { Storyboard } from "./storyboard.js";
import { Stream, installed, native } from "./stream.js";
import { Timings } from "./timings.js";

const WITHOUT = "hls.js is not installed: proxy/pages/players/install.sh installs it with npm. ";

export class Player {
  constructor(about, copy) {
    this.about = about;
    this.copy = copy;
    this.film = false;
    this.turn = 0;
    this.timings = new Timings();
    this.bar = new SeekBar(() => this.media);
    by("play").addEventListener("click", () => this.#toggle());
    by("film").addEventListener("click", () => this.#toggle());
    by("mute").addEventListener("click", () => (this.media.muted = !this.media.muted));
    by("speed").addEventListener("change", (event) => (this.media.playbackRate = Number(event.target.value)));
    by("wide").addEventListener("click", () => by("screen").requestFullscreen?.());
    for (const media of [by("film"), by("tone")]) {
      for (const name of ["timeupdate", "progress", "durationchange", "seeking", "seeked", "play", "pause", "ended", "volumechange"]) {
        media.addEventListener(name, () => media === this.media && this.#show());
      }
      media.addEventListener("error", () => media === this.media && media.error && this.#trouble(media.error.message || "The browser cannot play this."));
    }
  }

  get media() {
    return by(this.film ? "film" : "tone");
  }

  // Show an original, or nothing where it is a picture; returns what the server knows of it.
  async open(source) {
    if (source === this.source) return;
    this.source = source;
    const mine = ++this.turn;
    this.close();
    const known = await server.recording(source).catch(() => null);
    if (mine !== this.turn || !known?.urls) return;
    this.film = known.medium === "motion";
    by("player").hidden = false;
    by("screen").dataset.medium = known.medium;
    by("screen").style.setProperty("--ratio", `${known.width || 16} / ${known.height || 9}`);
    this.#showAddresses(known.copies);
    if (this.film) await this.#openFilm(known.urls, mine);
    else {
      by("wave").src = known.urls.wave;
      by("how").textContent = "A sound, played from one file.";
      this.media.src = known.urls.whole;
    }
    this.#show();
  }

  close() {
    by("player").hidden = by("trouble").hidden = by("address-copied").hidden = by("timings").hidden = true;
    by("tracks-label").hidden = by("words-label").hidden = true;
    this.stream?.close();
    this.stream = this.bar.storyboard = null;
    this.timings.clear();
    by("rungs").replaceChildren();
    for (const media of [by("film"), by("tone")]) {
      media.pause();
      media.removeAttribute("src");
      media.load();
    }
    by("wave").removeAttribute("src");
  }

  async #openFilm({ hls, storyboard, poster, whole }, mine) {
    const film = by("film");
    film.poster = poster;
    server.text(storyboard).then(
      (text) => mine === this.turn && (this.bar.storyboard = new Storyboard(text, storyboard)),
      () => {}, // a film without one is played all the same
    );
    const Hls = await installed(this.about.players).catch(() => null);
    if (mine !== this.turn) return;
    const missing = this.about.players.includes("hls.js") ? "" : WITHOUT;
    if (Hls) {
      by("how").textContent = `HLS by hls.js ${Hls.version}.`;
      this.stream = new Stream(Hls, film, hls, {
        loaded: (part) => this.timings.add(part),
        failed: (error) => this.#fall(error, whole),
      });
    } else if (native(film)) {
      by("how").textContent = `${missing}HLS by the browser itself.`;
      film.src = hls;
    } else {
      by("how").textContent = `${missing}One file, as MP4.`;
      film.src = whole;
    }
  }

  // Go on with one file where the stream cannot be played.
  #fall({ details, response, reason, error }, whole) {
    const why = [response?.code, reason || error?.message].filter(Boolean).join(" ");
    this.#trouble(`The stream ended: ${details}${why ? ` (${why})` : ""}. The film is played as one file.`);
    by("how").textContent = "One file, as MP4.";
    this.stream?.close();
    this.stream = null;
    by("rungs").replaceChildren();
    by("film").src = whole;
  }

  #trouble(text) {
    by("trouble").hidden = false;
    by("trouble").textContent = text;
  }

  #toggle() {
    if (this.media.paused) this.media.play().catch((error) => this.#trouble(error.message));
    else this.media.pause();
  }

  #show() {
    const { paused, muted } = this.media;
    by("play").textContent = paused ? "▶" : "❚❚";
    by("play").setAttribute("aria-label", paused ? "Play" : "Pause");
    by("mute").setAttribute("aria-pressed", String(muted));
    this.media.playbackRate = Number(by("speed").value);
    this.bar.show();
  }

  #showAddresses(copies) {
    const names = { video: "<video>", audio: "<audio>", hls: "HLS", dash: "DASH", poster: "poster", wave: "wave", curl: "curl" };
    by("addresses").replaceChildren(
      ...Object.entries(copies).map(([name, text]) =>
        make("button", { type: "button", "data-address": name, onclick: () => this.copy(text, by("address-copied")) }, names[name] ?? name),
      ),
    );
  }
}
