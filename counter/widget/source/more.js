/* What only some pages need: lists of views, blocks, and old browsers without the Navigation API. */

const SETTINGS = ['site', 'theme', 'scheme', 'show', 'lang', 'title'];
const tag = document.currentScript;
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const blocks = new Map(); // host → block, and the feed it shows
const waiting = new Map(); // host → settings, of blocks to be drawn
const unknown = new Set(); // paths whose views could not be had; they are asked for with the next numbers
const feeds = new Map(); // site → where its numbers come from

let core; // what the script of the page shares with this file, if it has one

const localise = (number, element) => {
  try {
    return number.toLocaleString(element.closest('[lang]').lang);
  } catch (error) {
    return number.toLocaleString();
  }
};

/** Numbers of a site that the page does not count for. */
class Feed {
  constructor(site) {
    this.numbers = {};
    this.address = new URL(`${tag.dataset.api || 'v1/'}sites/${encodeURIComponent(site)}/widget`, tag.src);
    setInterval(() => this.refresh(), 30000);
    document.addEventListener('visibilitychange', () => this.refresh());
    this.refresh();
  }

  async refresh() {
    if (document.hidden || !/^http/.test(location.protocol)) return;
    try {
      const answer = await fetch(this.address, { credentials: 'omit', cache: 'no-cache' });
      const numbers = await answer.json();
      if (!answer.ok || !numbers.meta) return;
      if (this.numbers.meta && Date.parse(numbers.meta.as_of) < Date.parse(this.numbers.meta.as_of)) return;
      this.numbers = numbers;
      showBlocks();
    } catch (error) {} // the next time
  }
}

const feedOf = (site) => {
  if (core && (!site || site === core.site)) return { numbers: core.numbers };
  if (site && !feeds.has(site)) feeds.set(site, new Feed(site));
  return feeds.get(site);
};

const settingsOf = (host) => {
  const prefix = host.localName === 'visitor-counter' ? '' : 'data-';
  const settings = {};
  SETTINGS.forEach((name) => { settings[name] = host.getAttribute(prefix + name); });
  return settings;
};

/** Draws the next new block, and leaves time for the page before the one after it. */
function drawNext() {
  const [[host, settings]] = waiting;
  waiting.delete(host);
  const block = new Block(host, settings, core ? core.spell : localise);
  blocks.set(host, { block, key: JSON.stringify(settings) });
  block.show(feedOf(settings.site).numbers);
  block.appear(host);
  if (waiting.size) setTimeout(drawNext);
}

/** Draws every block whose numbers are there; until then, what stands in its place stays. */
function showBlocks() {
  const idle = !waiting.size;
  document.querySelectorAll('[data-counter-widget],visitor-counter').forEach((host) => {
    const settings = settingsOf(host);
    const feed = feedOf(settings.site);
    if (!feed || !feed.numbers.meta) return;
    const drawn = blocks.get(host);
    if (!drawn || drawn.key !== JSON.stringify(settings)) waiting.set(host, settings);
    else drawn.block.show(feed.numbers, !calm.matches && !document.hidden);
  });
  blocks.forEach((drawn, host) => host.isConnected || blocks.delete(host));
  if (!idle || !waiting.size) return;
  setTimeout(() => { // the first number of a page costs the browser more than a whole block does
    localise(0, document.body);
    setTimeout(drawNext);
  });
}

/** Asks for the views of all pages that are listed and not known yet, in one request. */
async function fillLists() {
  if (!core || document.hidden || document.readyState === 'loading') return;
  const { site, numbers, views, ask, fill, pagePath } = core;
  const missing = new Set();
  document.querySelectorAll('[data-counter-views]').forEach((element) => {
    const path = element.dataset.counterViews;
    if (path && !views.has(path)) missing.add(path);
  });
  const own = numbers.views === undefined && document.querySelector('[data-counter=views],[data-counter-views=""]')
    ? pagePath() : '';
  if (own) numbers.views = null;
  const wanted = Array.from(missing);
  wanted.forEach((path) => views.set(path, null));
  if (own) wanted.push('');
  while (wanted.length) {
    const part = wanted.splice(0, 500);
    const paths = part.map((path) => path || own);
    const query = '?path=' + paths.map(encodeURIComponent).join('&path=');
    const isShort = query.length < 2000;
    const { pages } = await ask(
      `sites/${site}/pages${isShort ? query : ''}`, isShort ? undefined : JSON.stringify({ paths }),
    );
    part.forEach((path, index) => {
      const number = Array.isArray(pages) && pages[index] ? pages[index].views : null;
      if (number === null) unknown.add(path);
      if (path) views.set(path, number);
      else if (own === pagePath()) numbers.views = number;
    });
    fill();
  }
}

/** Tells the script of the page of new addresses where the browser does not. */
function watchHistory(moved) {
  ['pushState', 'replaceState'].forEach((method) => {
    const native = history[method];
    history[method] = function () {
      native.apply(this, arguments);
      moved(method === 'pushState');
    };
  });
  addEventListener('popstate', moved, true);
  moved(true); // the address may have changed while this file was coming
}

/** Finds the script of the page and joins it. */
function join() {
  const [script] = Array.from(document.scripts).filter((candidate) => candidate.core);
  if (!script) return;
  const [site, numbers, views, ask, spell, fill, pagePath, moved] = script.core;
  core = { site, numbers, views, ask, spell, fill, pagePath };
  if (!(self.navigation || {}).currentEntry) watchHistory(moved);
  const { counter } = self;
  const refresh = counter && counter.refresh;
  if (!refresh) return;
  counter.refresh = () => {
    views.clear();
    delete numbers.views;
    return refresh().then(fillLists);
  };
}

function update() {
  if (!core) join();
  showBlocks();
  return fillLists();
}

if (!customElements.get('visitor-counter')) { // this file is there twice
  customElements.define('visitor-counter', class extends HTMLElement {
    static get observedAttributes() {
      return SETTINGS;
    }

    connectedCallback() {
      update();
    }

    attributeChangedCallback() {
      if (this.isConnected) update();
    }
  });
  let timer;
  new MutationObserver(() => {
    timer = timer || setTimeout(() => {
      timer = 0;
      if (core) core.fill();
      update();
    }, 200);
  }).observe(document, {
    childList: true,
    subtree: true,
    attributeFilter: ['data-counter', 'data-counter-views', ...SETTINGS.map((name) => 'data-' + name)],
  });
  document.addEventListener('counter', () => {
    if (core) unknown.forEach((path) => (path ? core.views.delete(path) : delete core.numbers.views));
    unknown.clear();
    update();
  });
  setTimeout(update);
}
