/* Visitor counter: counts the page once it is shown and fills in the numbers. Sets no cookie. */
(function () {
  'use strict';

  const script = document.currentScript;
  const site = script && script.dataset.site;
  const mark = 'counter ' + site;
  if (!site || !/^http/.test(script.src) || document[mark]) return; // the tag stands there twice
  document[mark] = true;

  const VIEWS = 'data-counter-views';
  const api = new URL('v1/', script.src).href;
  let here = address();
  let outdated; // canonical link of the page before
  let turn = 0; // of the page shown: late answers compare
  let newest = 0;
  let used = Date.now();
  let last; // page counted, and when
  let when;

  function address() {
    return location.href.split('#')[0];
  }

  function canonical() {
    return (document.querySelector('link[rel=canonical]') || location).href.split('#')[0];
  }

  function pagePath() {
    const link = canonical();
    const url = link !== outdated && link.split('/')[2] === location.host ? link : address();
    return url.slice(url.indexOf('/', 8)).slice(0, 2000); // a hit has room for 4 KiB
  }

  function on(target, events, listener) {
    events.split(' ').forEach((event) => target.addEventListener(event, listener, true));
  }

  function pause(time) {
    return new Promise((done) => setTimeout(done, time));
  }

  function quiet(promise) {
    return promise.catch(() => {});
  }

  function visible() {
    return !document.hidden && !document.prerendering;
  }

  /** Waits until the page is parsed and visible. */
  async function shown() {
    while (!visible() || document.readyState === 'loading') {
      await new Promise((done) => on(document, 'readystatechange visibilitychange prerenderingchange', done));
    }
  }

  function optOut(method, value) {
    try {
      return localStorage[method]('counter:optout', value);
    } catch (error) {} // no storage here
  }

  function allowed() {
    return location.protocol !== 'file:' && optOut('getItem') !== '1' &&
      (!navigator.webdriver || 'automated' in script.dataset) &&
      (window.top === window || 'frames' in script.dataset);
  }

  async function ask(resource, body) {
    const limit = new AbortController();
    setTimeout(() => limit.abort(), 5000);
    const method = body ? 'POST' : 'GET';
    const go = () => fetch(api + resource, {
      method, body, keepalive: !!body, credentials: 'omit', cache: 'no-cache', signal: limit.signal,
    });
    let answer = await go();
    // Only a hit goes again, and only if it was answered: without an answer it may have been counted.
    if (resource === 'hits' && answer.status >= 500) answer = await pause(1000).then(go);
    return answer.json();
  }

  async function send(path) {
    const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
    const hit = { site, path, id: bytes.map((byte) => (byte % 16).toString(16)).join('') };
    const body = JSON.stringify(hit);
    if (window.fetch) return ask('hits', body);
    if (!navigator.sendBeacon || !navigator.sendBeacon(api + 'hits', body)) {
      new Image().src = `${api}hits.gif?${new URLSearchParams(hit)}`;
    }
  }

  function each(attribute, visit) {
    document.querySelectorAll(`[${attribute}]`).forEach((element) => visit(element, element.getAttribute(attribute)));
  }

  function fill(attribute, numbers) {
    each(attribute, (element, key) => {
      let number = numbers[key];
      if (!Number.isFinite(number)) return;
      try {
        number = number.toLocaleString(document.documentElement.lang || undefined);
      } catch (error) {} // no such language
      element.textContent = number;
    });
  }

  function fillSite(numbers) {
    const time = Date.parse((numbers.meta || {}).as_of);
    if (time < newest) return; // overtaken, or from a cache
    newest = time;
    fill('data-counter', numbers);
  }

  async function fillViews(own) {
    const paths = [];
    each(VIEWS, (element, path) => (own || path) && !paths.includes(path) && paths.push(path));
    while (paths.length) {
      const some = [];
      let query = '';
      while (paths.length && some.length < 100 && query.length < 6000) { // proxies refuse longer ones
        query += '&path=' + encodeURIComponent(paths[0] || pagePath());
        some.push(paths.shift());
      }
      const { pages } = await ask(`sites/${site}/pages?${query.slice(1)}`);
      const views = {};
      some.forEach((path, index) => { views[path] = pages[index].views; });
      fill(VIEWS, views);
    }
  }

  async function refresh() {
    fillSite(await ask(`sites/${site}/widget`));
  }

  async function show(path) {
    const mine = ++turn;
    if (mine > 1) await pause(100); // an application redirects and sets its canonical link
    await shown();
    if (mine !== turn) return;
    const page = path || pagePath();
    const counts = allowed();
    if (counts) {
      if (page === last && Date.now() - when < 1000) return;
      last = page;
      when = Date.now();
      const numbers = await send(page);
      fillSite(numbers);
      if (mine === turn && numbers.page) fill(VIEWS, { '': numbers.page.views });
    } else await refresh();
    await fillViews(!counts);
  }

  /** A new address is a new page; a new hash or state is not. */
  function moved(counts) {
    const left = here;
    here = address();
    if (!counts || left === here) return;
    outdated = canonical();
    each(VIEWS, (element, path) => path || (element.textContent = '…'));
    quiet(show());
  }

  ['pushState', 'replaceState'].forEach((method) => {
    const native = history[method];
    history[method] = function () {
      native.apply(this, arguments);
      moved(method === 'pushState');
    };
  });
  on(window, 'popstate', moved);
  on(window, 'pageshow', (event) => {
    if (!event.persisted) return;
    last = '';
    quiet(show());
  });
  on(window, 'mousemove touchstart keydown scroll', () => { used = Date.now(); });
  setInterval(() => visible() && quiet(refresh()), 30000);
  setInterval(() => {
    if (visible() && allowed() && Date.now() - used < 300000) quiet(ask('heartbeats', JSON.stringify({ site })));
  }, 60000);

  window.counter = window.counter || {
    hit: (path) => quiet(show(path)),
    refresh: () => quiet(refresh().then(() => fillViews(true))),
    optOut: () => optOut('setItem', '1'),
    optIn: () => optOut('removeItem'),
  };
  quiet(show());
}());
