/* Keeps the numbers of a page of ours up to date while it is visible. Without it the page is as it was sent. */
(function () {
  'use strict';

  const page = document.body.dataset;
  const note = document.querySelector('[data-note]');
  const spell = new Intl.NumberFormat(document.documentElement.lang);
  let newest = 0;

  /** Puts each digit into a box of its own, as the server did. */
  function boxes(text) {
    return Array.from(text, (character) => {
      const box = document.createElement(/\d/.test(character) ? 'b' : 'i');
      box.textContent = character;
      return box;
    });
  }

  function show(element, number) {
    if (!Number.isFinite(number)) return;
    const text = spell.format(number);
    const shown = element.querySelector('[role=img]');
    if (!shown) {
      if (element.textContent !== text) element.textContent = text;
    } else if (shown.getAttribute('aria-label') !== text) {
      shown.setAttribute('aria-label', text);
      shown.replaceChildren(...boxes(text));
    }
  }

  function say(text) {
    if (!note) return;
    note.hidden = !text;
    note.textContent = text;
  }

  function fill(numbers) {
    const time = Date.parse(numbers.meta.as_of);
    if (time < newest) return; // overtaken
    newest = time;
    document.querySelectorAll('[data-counter]').forEach((element) => show(element, numbers[element.dataset.counter]));
    const clock = document.querySelector('[data-clock]');
    if (clock) clock.textContent = numbers.meta.as_of.slice(11, 16).replace(':', clock.dataset.clock);
    say(numbers.meta.stale ? page.stale : '');
  }

  async function refresh() {
    if (document.hidden) return;
    try {
      const answer = await fetch(page.source, { credentials: 'omit', signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(answer.status);
      fill(await answer.json());
    } catch (error) {
      say(/\d/.test(document.querySelector('[data-counter=total]').textContent) ? page.stale : page.unavailable);
    }
  }

  setInterval(refresh, page.seconds * 1000);
  document.addEventListener('visibilitychange', refresh);
}());
