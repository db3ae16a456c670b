// Takes parts of the project's own pages over in place. Without it the same forms and links lead to whole pages.
"use strict";

async function page(url, options) {
  const answer = await fetch(url, { credentials: "same-origin", ...options });
  const text = await answer.text();
  return { url: answer.url, content: new DOMParser().parseFromString(text, "text/html") };
}

function take(content, selector) {
  const here = document.querySelector(selector);
  const there = content.querySelector(selector);
  if (!here || !there) return false;
  if (here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
  return true;
}

// Forms that show what they find while one types: <form data-live="#part">.
function live(form) {
  let timer = 0, asked = 0;
  const ask = async () => {
    const mine = ++asked;
    const address = form.action.split("#")[0] + "?" + new URLSearchParams(new FormData(form));
    try {
      const { content } = await page(address);
      if (mine === asked) take(content, form.dataset.live);
    } catch {
      // No network just now: what is shown stays, and the button still asks for the whole page.
    }
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 200); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); ask(); });
}

// Links that change one part of the page: <a data-part="#part">.
function part(event) {
  const link = event.target.closest("a[data-part]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  page(link.href).then(({ url, content }) => {
    if (!take(content, link.dataset.part)) throw new Error("another page");
    history.replaceState(null, "", url);
    document.querySelector(`${link.dataset.part} a[aria-current]`)?.focus();
  }).catch(() => location.assign(link.href));
}

// A request on its way: asks again and again until its page says that it has ended.
async function follow(url, show) {
  const end = Date.now() + 10 * 60 * 1000;
  for (let pause = 500; Date.now() < end; pause = Math.min(pause * 1.2, 5000)) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    try {
      const { content } = await page(url);
      const progress = content.querySelector("#progress");
      if (!progress) return;
      show(progress);
      if (!progress.hasAttribute("data-on-its-way")) return;
    } catch {
      // The web server is away for a moment: try again.
    }
  }
}

function shower(place) {
  return (progress) => {
    if (place.innerHTML !== progress.outerHTML) place.replaceChildren(document.importNode(progress, true));
  };
}

// The form that sends a request shows its way below itself: <form data-send="#place">.
function send(form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    const place = document.querySelector(form.dataset.send);
    button.disabled = true;
    try {
      const { url, content } = await page(form.action, { method: "POST", body: new FormData(form) });
      const progress = content.querySelector("#progress");
      const again = content.querySelector("form[data-send]");
      if (progress) {
        for (const error of form.querySelectorAll(".error")) error.remove();
        for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
        const show = shower(place);
        show(progress);
        if (progress.hasAttribute("data-on-its-way")) follow(url, show);
      } else if (again) {
        place.replaceChildren();
        form.replaceChildren(...again.childNodes);
        form.querySelector("[aria-invalid]")?.focus();
      } else {
        form.submit();
      }
    } catch {
      form.submit();
    } finally {
      button.disabled = false;
    }
  });
}

for (const form of document.querySelectorAll("form[data-live]")) live(form);
for (const form of document.querySelectorAll("form[data-send]")) send(form);
document.addEventListener("click", part);
const progress = document.querySelector("main #progress[data-on-its-way]");
if (progress) {
  const place = progress.parentElement;
  follow(location.href, shower(place));
}
