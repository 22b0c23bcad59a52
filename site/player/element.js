// <pagewalk-player src="demo.pgwk" step="41" select="twin-b" panes="grid step" theme="dark">
//
// `panes`: any of grid queues step detail workers lanes table; all where it is not said, but the
// workers only where their batches were recorded, and not inside a text.
// `src` is an address, or `#id` of an element of the page that holds the payload as base64.
// `from`, `to`: the steps that the transport is held to.
// `embedded`: the player keeps off the page's address and follows its theme. `keys="page"`: it hears keys of the whole page.
// Events: `trace-ready`, `step-change` {step, frame, request, block}, `theme-change` {theme}.

import { App } from "./app.js";
import { helpDialog, onKey } from "./keys.js";
import { frameOf, fromHash, ours, requestOf, toHash } from "./link.js";
import { load } from "./model.js";
import { sheets } from "./sheets.js";
import { View } from "./view.js";

const THEMES = ["auto", "light", "dark"];
const HASH_WAIT = 250;
const SCRUB_WAIT = 200;

class PagewalkPlayer extends HTMLElement {
  static observedAttributes = ["src", "step", "select", "panes", "theme", "from", "to"];

  constructor() {
    super();
    this.attachShadow({ mode: "open" });
    this.shadowRoot.adoptedStyleSheets = sheets();
  }

  connectedCallback() {
    this.controller = new AbortController();
    this.ready = false;
    const { signal } = this.controller;
    this.app = new App((reason) => this.changed(reason));
    this.view = new View(this.app, { theme: () => this.turnTheme(), help: () => this.help() });
    this.dialog = helpDialog();
    this.shadowRoot.replaceChildren(this.view.root, this.dialog);
    const keysOf = this.getAttribute("keys") === "page" ? document : this;
    const actions = { find: () => this.view.find(), help: () => this.help() };
    keysOf.addEventListener("keydown", (event) => onKey(event, this.app, actions), { signal });
    window.addEventListener("hashchange", () => this.followHash(), { signal });
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.setTheme(), { signal });
    // Material for MkDocs tells its colours by an attribute of the body.
    this.watcher = new MutationObserver(() => this.setTheme());
    this.watcher.observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
    this.sizes = new ResizeObserver(() => this.later(true));
    this.sizes.observe(this.view.root);
    // Several players of a page need names of their own.
    const figure = this.closest("figure[id]");
    if (figure) this.view.root.setAttribute("aria-label", `Trace player ${figure.id}`);
    // The page around has a switch of its own.
    this.view.themeButton.hidden = this.hasAttribute("embedded");
    this.setPanes();
    this.setTheme();
    this.open();
  }

  disconnectedCallback() {
    this.controller.abort();
    this.watcher.disconnect();
    this.sizes.disconnect();
    this.app.clock.stop();
    cancelAnimationFrame(this.drawing);
    clearTimeout(this.hashTimer);
    clearTimeout(this.scrubTimer);
    this.drawing = 0;
    this.hashTimer = 0;
    this.app.model = null;
    this.shadowRoot.replaceChildren();
  }

  attributeChangedCallback(name, before, now) {
    if (!this.app || !this.isConnected || before === now) return;
    if (name === "src") this.open();
    else if (name === "panes") this.setPanes();
    else if (name === "theme") this.setTheme();
    else if (name === "step" || name === "select") this.fromAttributes();
    else if (this.app.model) this.start(this.app.model);
  }

  /** The model on show, null before `trace-ready`. */
  get model() {
    return this.app?.model ?? null;
  }

  /** Shows a step, a request, a block: each may be left out. `request`: an id, or a number of the model. */
  show({ step, request, block } = {}) {
    const { app } = this;
    if (!app?.model) return;
    if (request !== undefined) app.select(typeof request === "number" ? request : requestOf(app.model, String(request)));
    if (block !== undefined && block !== app.block) app.choose(block);
    if (step !== undefined) {
      const frame = frameOf(app.model, String(step));
      if (frame >= 0) app.go(frame);
    }
  }

  async open() {
    const src = this.getAttribute("src");
    if (!src) {
      this.view.say("This player has no trace: set its src.");
      return;
    }
    const token = (this.opening = Symbol(src));
    this.app.clock.stop();
    this.view.say("Reading the trace …");
    try {
      const model = await load(await payload(src, this.controller.signal));
      if (this.opening !== token || !this.isConnected) return;
      this.start(model);
    } catch (error) {
      if (error.name === "AbortError" || this.opening !== token) return;
      this.view.say(`This trace cannot be shown: ${error.message}`, true);
    }
  }

  start(model) {
    this.app.load(model, this.range(model));
    this.view.load(model);
    this.setPanes();
    this.fromAttributes();
    if (!this.hasAttribute("embedded")) this.followHash();
    this.ready = true;
    this.view.resize();
    this.view.draw();
    this.state();
    this.dispatchEvent(new CustomEvent("trace-ready", { bubbles: true, composed: true }));
    if (this.hasAttribute("play") && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.app.clock.start();
  }

  /** The frames of `from` and `to`; a step that the trace lacks holds nothing. */
  range(model) {
    const [from, to] = ["from", "to"].map((name) => frameOf(model, this.getAttribute(name) ?? ""));
    return { from: from < 0 ? undefined : from, to: to < 0 ? undefined : to };
  }

  fromAttributes() {
    const [step, request] = [this.getAttribute("step"), this.getAttribute("select")];
    this.show({ step: step ?? undefined, request: request ?? undefined });
  }

  followHash() {
    const { app } = this;
    if (!app.model || this.hasAttribute("embedded") || !location.hash.startsWith("#step=")) return;
    const { frame, request, block } = fromHash(app.model, location.hash);
    if (request !== undefined) app.select(request);
    if (block !== undefined && block !== app.block) app.choose(block);
    if (frame !== undefined) app.go(frame);
  }

  /** After each change of state: draw in the next frame of the screen, tell the page, note the address. */
  changed(reason) {
    if (!this.app.model || !this.isConnected) return;
    this.view.quick(reason === "scrub" || this.app.clock.playing);
    clearTimeout(this.scrubTimer);
    this.scrubTimer = setTimeout(() => this.view.settled(), SCRUB_WAIT);
    this.later(false);
    if (reason === "play" || reason === "light") return;
    this.state();
    this.dispatchEvent(new CustomEvent("step-change", { bubbles: true, composed: true, detail: this.detail() }));
    if (!this.hasAttribute("embedded") && this.ready) this.hashTimer ||= setTimeout(() => this.writeHash(), HASH_WAIT);
  }

  detail() {
    const { app } = this;
    const request = app.request >= 0 ? app.model.name(app.request) : null;
    return { frame: app.frame, step: app.model.step(app.frame), request, block: app.block };
  }

  /** The state as attributes of the root, for tests and styles. */
  state() {
    const { app } = this;
    Object.assign(this.view.root.dataset, { frame: app.frame, request: app.request, block: app.block });
  }

  later(resized) {
    this.resized ||= resized;
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      if (!this.app.model) return;
      if (this.resized) this.view.resize();
      this.resized = false;
      this.view.draw();
    });
  }

  writeHash() {
    this.hashTimer = 0;
    if (!this.app.model || !ours(location.hash)) return;
    history.replaceState(history.state, "", toHash(this.app.model, this.app));
  }

  setPanes() {
    const asked = this.getAttribute("panes");
    const workers = !this.hasAttribute("embedded") && this.app.model?.workers ? " workers" : "";
    this.view.show((asked || `grid queues step detail lanes table${workers}`).split(/\s+/));
    this.later(true);
  }

  /** The theme asked for, or that of the page around, or that of the system. */
  setTheme() {
    const asked = this.getAttribute("theme");
    const around = document.body.getAttribute("data-md-color-scheme");
    const dark = asked === "dark" || (asked !== "light" && (around ? around === "slate" : this.dark.matches));
    this.app.theme = dark ? "dark" : "light";
    this.view.root.dataset.theme = this.app.theme;
    this.view.themed(asked || "auto");
    this.later(true);
  }

  turnTheme() {
    const now = THEMES.indexOf(this.getAttribute("theme") || "auto");
    const theme = THEMES[(now + 1) % THEMES.length];
    this.setAttribute("theme", theme);
    this.dispatchEvent(new CustomEvent("theme-change", { bubbles: true, composed: true, detail: { theme } }));
  }

  help() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }
}

/** The payload's bytes: from an element of this page, or from an address. */
async function payload(src, signal) {
  if (src.startsWith("#")) {
    const holder = document.getElementById(src.slice(1));
    if (!holder) throw new Error("the page does not hold it.");
    const text = atob(holder.textContent.trim());
    return Uint8Array.from(text, (one) => one.charCodeAt(0));
  }
  const answer = await fetch(src, { signal }).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("its address cannot be reached.");
  });
  if (!answer.ok) throw new Error(`its address answers ${answer.status}.`);
  return answer.arrayBuffer();
}

if (!customElements.get("pagewalk-player")) customElements.define("pagewalk-player", PagewalkPlayer);

export { PagewalkPlayer };
