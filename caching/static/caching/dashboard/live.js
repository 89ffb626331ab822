// Asks for the figures again and again while somebody looks, more rarely while the site does not answer.

const EVERY = 2000;
const AT_MOST = 60000;
const PATIENCE = 10000;

export class Live {
  #timer = 0;
  #wait = EVERY;
  #paused = false;
  #asking = false;

  /** `show` gets the figures, `tell` a state: "live", "paused", "unreachable" or "signed-out". */
  constructor(url, { show, tell }) {
    this.url = url;
    this.show = show;
    this.tell = tell;
    document.addEventListener("visibilitychange", () => this.#goOn());
    this.#timer = setTimeout(() => this.#ask(), EVERY);
  }

  get paused() {
    return this.#paused;
  }

  set paused(paused) {
    this.#paused = paused;
    this.tell(paused ? "paused" : "live");
    this.#goOn();
  }

  #goOn() {
    clearTimeout(this.#timer);
    if (!this.#paused && !document.hidden) this.#ask();
  }

  async #ask() {
    if (this.#asking) return;
    this.#asking = true;
    let state = "unreachable";
    try {
      const response = await fetch(this.url, {
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE),
      });
      // The admin sends whoever is no longer signed in to its login page.
      if (response.type === "opaqueredirect" || response.status === 403) state = "signed-out";
      if (response.ok) {
        const figures = await response.json();
        if (this.#paused) return;
        this.show(figures);
        state = "live";
      }
    } catch {
      // No network, no answer in time, or none that is JSON.
    } finally {
      this.#asking = false;
    }
    if (this.#paused) return;
    this.tell(state);
    this.#wait = state === "live" ? EVERY : Math.min(AT_MOST, this.#wait * 2);
    if (!document.hidden) this.#timer = setTimeout(() => this.#ask(), this.#wait);
  }
}
