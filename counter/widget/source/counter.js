/* Visitor counter: counts the page once it is shown and fills in the numbers. Sets no cookie. */
(() => {
  const script = document.currentScript;
  const options = script.dataset;
  const { site, token } = options;
  if (!site || document.counter === (document.counter = site) || !/^http/.test(location)) return; // tag is there twice

  const api = new URL(options.api || 'v1/', script.src);
  const navigation = self.navigation || {}; // may be a variable of the page, or an element with this id
  /** Takes an address apart: all but the hash, host, path with query; a hit has room for 4 KiB. */
  const parts = (link) => /\/\/([^/]*)([^#]{0,2000})/.exec(link.href) || [];
  const views = new Map(); // of other pages, by the path as the page spells it
  const numbers = { views: null }; // of the site and of this page; null is asked for, undefined is not
  let newest = 0;
  let here = parts(location)[2];
  let outdated; // canonical link of the page before
  let turn = 0; // of the page shown: late answers compare
  let last; // page counted, and when
  let when;
  let used = 5; // minutes for which the page counts as used
  let more = 'more' in options; // the page has a tag of its own for it
  let timer;
  let shows; // whether the page has anything that numbers are shown in

  const canonical = () => parts(document.querySelector('link[rel=canonical]') || location);

  const pagePath = () => {
    const [all, host, path] = canonical();
    return all !== outdated && host === location.host ? path : here;
  };

  const on = (events, listener) => events.split(' ').forEach((event) => addEventListener(event, listener, true));

  const pause = (time) => new Promise((done) => setTimeout(done, time));

  /** Waits until the page is parsed and visible. */
  const shown = async () => {
    while (document.hidden || document.prerendering || document.readyState === 'loading') {
      await new Promise((done) => on('readystatechange visibilitychange prerenderingchange', done));
    }
  };

  /** Remembers 'in' or 'out', if one is given; tells whether the visitor is out. */
  const opt = (way) => {
    try {
      if (way) localStorage.counter = way;
      return localStorage.counter === 'out';
    } catch {} // no storage here
  };

  // A link to #counter-optout or #counter-optin is all that a page needs for it.
  const allowed = () => !(
    opt(location.hash.split('#counter-opt')[1]) ||
    'gpc' in options && navigator.globalPrivacyControl ||
    navigator.webdriver && !('automated' in options) ||
    top !== self && !('frames' in options)
  );

  /** Returns the answer, {} if there is none. */
  const ask = async (resource, body) => {
    try {
      const limit = new AbortController();
      setTimeout(() => limit.abort(), 5000);
      const go = () => fetch(api + resource, {
        method: body && 'POST', body, keepalive: resource === 'hits', credentials: 'omit', cache: 'no-cache', signal: limit.signal,
      });
      const answer = await go();
      // What was sent goes again only if it was refused: without an answer it may have been counted.
      return Object(await (body && answer.status > 499 ? await pause(1000).then(go) : answer).json());
    } catch {
      return {};
    }
  };

  const send = (resource, path) => {
    const body = JSON.stringify({ site, path, token });
    if (self.fetch) return ask(resource, body);
    if (navigator.sendBeacon) return navigator.sendBeacon(api + resource, body);
    return new Image().src = `${api}${resource}.gif?${new URLSearchParams({ site, path })}`;
  };

  const spell = (number, element) => {
    try {
      return number.toLocaleString(options.locale || element.closest('[lang]').lang, options);
    } catch {
      return number.toLocaleString();
    }
  };

  /** Writes what is known into the page, also into what came into it since; for the rest there is another file. */
  const fill = () => {
    let rest = !navigation.currentEntry || document.querySelector('[data-counter-widget],visitor-counter');
    document.querySelectorAll('[data-counter],[data-counter-views]').forEach((element) => {
      shows = 1;
      const { counter = 'views', counterViews } = element.dataset;
      const number = counterViews ? views.get(counterViews) : numbers[counter];
      if (number === undefined && (counterViews || counter === 'views')) rest = true;
      if (number !== '…' && number !== +number) return; // not known
      const text = spell(number, element);
      if (text !== element.textContent) element.textContent = text;
    });
    if (rest && !more) {
      more = document.createElement('script');
      more.src = new URL('more.js', script.src);
      document.head.append(more);
    }
  };

  const receive = (answer) => {
    const time = answer.meta && Date.parse(answer.meta.as_of);
    if (time >= newest) { // neither overtaken, nor from a cache
      newest = time;
      Object.assign(numbers, answer);
      document.dispatchEvent(new CustomEvent('counter', { detail: numbers }));
    }
    fill();
  };

  const refresh = () => ask(`sites/${site}/widget`).then(receive);

  const show = async (path) => {
    const mine = path ? turn : ++turn;
    if (mine > 1) await pause(100); // an application redirects and sets its canonical link
    await shown();
    if (!path && mine !== turn) return;
    if (!allowed()) return delete numbers.views, refresh();
    const page = path || pagePath();
    if (page === last && Date.now() - when < 1000) return;
    last = page;
    when = Date.now();
    const answer = await send('hits', page);
    if (answer.page && !path && mine === turn) numbers.views = answer.page.views;
    receive(answer);
  };

  /** A new address is a new page; a new hash or state is not. */
  const moved = (counts) => {
    const left = here;
    here = parts(location)[2];
    allowed();
    if (!counts || left === here) return;
    [outdated] = canonical();
    numbers.views = '…';
    fill();
    show();
  };

  if (navigation.currentEntry) {
    navigation.addEventListener('currententrychange', (event) => moved(event.navigationType !== 'replace'));
  }
  on('pageshow', (event) => event.persisted && show(last = ''));
  on('mousemove keydown scroll', () => used = 5); // a tap moves the mouse as well
  new MutationObserver(() => {
    timer = timer || setTimeout(() => fill(timer = 0), 200);
  }).observe(document, { childList: true, subtree: true });
  setInterval(() => document.hidden || !(shows || more) || refresh(), 30000);
  setInterval(() => document.hidden || used-- > 0 && allowed() && send('heartbeats'), 60000);

  script.core = [site, numbers, views, ask, spell, fill, pagePath, moved];
  self.counter = self.counter || {
    hit: show,
    refresh,
    optOut: () => opt('out'),
    optIn: () => opt('in'),
  };
  show();
})();
