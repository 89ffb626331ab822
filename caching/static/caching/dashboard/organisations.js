// Offers organisations while one types (the combobox of the ARIA Authoring Practices, with a list of its own).

const WAIT = 150;

export function offerOrganisations(input, list, url) {
  let timer = 0;
  let latest = 0;
  let active = -1;

  const options = () => [...list.children];

  function close() {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function choose(option) {
    input.value = option.dataset.org;
    close();
  }

  function move(to) {
    const all = options();
    active = (to + all.length) % all.length;
    all.forEach((option, index) => option.setAttribute("aria-selected", String(index === active)));
    all[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", all[active].id);
  }

  function offer(found) {
    list.replaceChildren(
      ...found.map(({ org, name }, index) => {
        const option = document.createElement("li");
        option.id = `${list.id}-${index}`;
        option.dataset.org = org;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        const id = document.createElement("small");
        id.textContent = org;
        option.append(name, " ", id);
        return option;
      }),
    );
    if (!found.length) return close();
    list.hidden = false;
    active = -1;
    input.removeAttribute("aria-activedescendant");
    return input.setAttribute("aria-expanded", "true");
  }

  async function seek() {
    const text = input.value.trim();
    latest += 1;
    const mine = latest;
    if (!text) return close();
    try {
      const response = await fetch(`${url}?q=${encodeURIComponent(text)}`, { redirect: "manual" });
      const found = response.ok ? (await response.json()).found : [];
      // What was typed since is being looked for by another.
      if (mine === latest && document.activeElement === input) offer(found);
    } catch {
      close();
    }
    return undefined;
  }

  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(seek, WAIT);
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") move(active + 1);
    else if (event.key === "ArrowUp") move(active < 0 ? -1 : active - 1);
    else if (event.key === "Enter" && active >= 0) choose(options()[active]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
  // Before the field loses the focus, which closes the list.
  list.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) {
      event.preventDefault();
      choose(option);
    }
  });
}
