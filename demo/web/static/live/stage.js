// The tiles of all sources, of which one can be enlarged or fill the screen.

import { Tile } from "./tile.js";

export class Stage {
  /** `changed` is called when other widths of pictures are wanted. */
  constructor(element, changed) {
    this.element = element;
    this.changed = changed;
    this.tiles = new Map(); // by name of the source
    this.large = null; // name of the enlarged source
    this.full = null; // name of the source that fills the screen
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement && this.full) this.fill(null);
    });
  }

  /** Show these sources; pictures of sources that were there stay. */
  start(sources, options) {
    const kept = this.tiles;
    this.tiles = new Map(sources.map((source) => {
      const tile = kept.get(source.name) ?? new Tile(source, () => this.choose(source.name));
      tile.options = options;
      tile.resized = this.changed;
      return [source.name, tile];
    }));
    if (!this.tiles.has(this.large)) this.large = null;
    if (!this.tiles.has(this.full)) this.full = null;
    const columns = Math.ceil(Math.sqrt(sources.length));
    this.element.style.setProperty("--columns", Math.max(columns, 1));
    this.element.style.setProperty("--columns-narrow", sources.length > 4 ? 2 : 1);
    const elements = [...this.tiles.values()].map((tile) => tile.element);
    if (elements.some((each, k) => each !== this.element.children[k]) || elements.length !== this.element.children.length) {
      this.element.replaceChildren(...elements);
    }
    this.arrange();
  }

  /** The viewer clicked a tile: enlarge it, or back; the only one fills the screen. */
  choose(name) {
    if (this.full) {
      this.fill(null);
    } else if (this.tiles.size === 1) {
      this.fill(name);
    } else {
      this.large = this.large === name ? null : name;
      this.arrange();
    }
  }

  /** Fill the screen with a source, null: no more. */
  fill(name) {
    this.full = name;
    this.arrange();
    if (name) {
      this.tiles.get(name).element.requestFullscreen?.().catch(() => {}); // else it fills the window
    } else if (document.fullscreenElement) {
      document.exitFullscreen();
    }
  }

  /** Go back one step; whether there was one. */
  back() {
    if (this.full) this.fill(null);
    else if (this.large) this.choose(this.large);
    else return false;
    return true;
  }

  /** The source that a key means: the focused one, the enlarged one or the first. */
  get current() {
    const focused = [...this.tiles].find(([, tile]) => tile.element.contains(document.activeElement));
    return focused?.[0] ?? this.full ?? this.large ?? this.tiles.keys().next().value ?? null;
  }

  /** The tiles that are seen. */
  get seen() {
    return [...this.tiles.values()].filter(({ source }) => !this.full || source.name === this.full);
  }

  redraw() {
    for (const tile of this.tiles.values()) tile.draw();
  }

  arrange() {
    const several = this.tiles.size > 1;
    this.element.classList.toggle("single", !several);
    this.element.classList.toggle("chosen", several && this.large !== null);
    for (const [name, tile] of this.tiles) {
      const { element, cover, source } = tile;
      element.classList.toggle("large", name === this.large);
      element.classList.toggle("full", name === this.full);
      tile.name.hidden = !several;
      const back = name === this.full || name === this.large;
      const act = back ? "Make smaller" : several ? "Enlarge" : "Full screen";
      cover.setAttribute("aria-label", `${act}: ${source.title}`);
    }
    this.changed();
  }
}
