/* The block: a list of numbers in a shadow of its own, so that neither page nor block restyles the other. */

const MAIN = ['online', 'today', 'week', 'month', 'total'];
const THEMES = ['plain', 'card', 'line', 'digits'];
const RIGHT_TO_LEFT = ['ar', 'fa', 'he', 'ur'];
const STEPS = 12;

const sheet = typeof CSSStyleSheet === 'function' && 'adoptedStyleSheets' in document && new CSSStyleSheet();
if (sheet) sheet.replaceSync(STYLE); // a policy forbids style elements, and not this

const make = (name, className, parent) => {
  const element = document.createElement(name);
  element.className = className;
  element.setAttribute('part', className);
  if (parent) parent.append(element);
  return element;
};

const wordsOf = (language) => LANGUAGES[language.toLowerCase().split(/[-_]/)[0]];

/** Draws numbers into an element; `settings` are theme, scheme, show, lang and title, all optional. */
class Block {
  constructor(host, settings, spell) {
    this.spell = spell;
    this.values = new Map();
    const page = host.closest('[lang]');
    const asked = settings.lang || (page && page.lang) || navigator.language || 'vi';
    this.words = wordsOf(asked) || LANGUAGES.en;
    const language = wordsOf(asked) ? asked.replace('_', '-') : 'en';
    const theme = THEMES.includes(settings.theme) ? settings.theme : 'plain';
    const root = make('div', 'block ' + theme + ' ' + (settings.scheme || 'auto'));
    root.lang = language;
    root.dir = RIGHT_TO_LEFT.includes(language.split('-')[0]) ? 'rtl' : 'ltr';
    const title = make('p', 'title', root);
    title.textContent = settings.title || this.words.title;
    title.id = 'title';
    title.hidden = settings.title === '';
    this.list = make('ul', 'list', root);
    this.list.setAttribute('role', 'list'); // which a list without bullets loses in some browsers
    this.list.setAttribute('aria-labelledby', 'title');
    this.list.setAttribute('aria-live', 'off');
    this.isDigits = theme === 'digits';
    const shown = (settings.show || '').split(/[\s,]+/).filter(Boolean);
    const names = shown.length ? shown : MAIN.slice();
    if (this.isDigits) names.sort((one, other) => (other === 'total') - (one === 'total')); // the big one leads
    names.forEach((name) => this.addRow(name));
    this.root = root;
  }

  addRow(name) {
    const row = make('li', 'row ' + name, this.list);
    const label = make('span', 'label', row);
    row.append(' ');
    this.values.set(name, { row, label, value: make('span', 'value', row), number: null });
  }

  /** Shows numbers; what is unknown stays as it is. */
  show(numbers, moves) {
    const metric = numbers.meta && numbers.meta.metric;
    this.values.forEach((entry, name) => {
      const word = name === 'total' ? metric || 'visits' : name === 'views' ? 'page' : name;
      entry.label.textContent = this.words[word] || name;
      const number = numbers[name];
      entry.row.hidden = entry.number === null && !Number.isFinite(number);
      if (!Number.isFinite(number) || number === entry.number) return;
      const from = entry.number;
      entry.number = number;
      if (this.isDigits) this.turn(entry);
      else if (moves && from !== null) this.step(entry, from, 1);
      else entry.value.textContent = this.spell(number, entry.value);
    });
  }

  /** Goes from one number to the next in small steps. */
  step(entry, from, count) {
    const { number, value } = entry;
    value.textContent = this.spell(Math.round(from + ((number - from) * count) / STEPS), value);
    if (count < STEPS) {
      requestAnimationFrame(() => entry.number === number && this.step(entry, from, count + 1));
    }
  }

  /** Turns the wheels of an odometer; who does not see them reads the number. */
  turn(entry) {
    if (!entry.spoken) {
      entry.spoken = make('span', 'spoken', entry.value);
      entry.wheels = make('span', 'wheels', entry.value);
      entry.wheels.setAttribute('aria-hidden', 'true');
    }
    entry.spoken.textContent = this.spell(entry.number, entry.value);
    const digits = String(entry.number);
    while (entry.wheels.children.length < digits.length) {
      const wheel = make('span', 'wheel');
      make('span', 'strip', wheel).textContent = '0\n1\n2\n3\n4\n5\n6\n7\n8\n9';
      entry.wheels.prepend(wheel);
    }
    while (entry.wheels.children.length > digits.length) entry.wheels.firstChild.remove();
    entry.value.style.setProperty('--digits', digits.length);
    Array.from(digits, (digit, index) => entry.wheels.children[index].firstChild.style.setProperty('--at', digit));
  }

  /** Takes the place of what the element holds. */
  appear(host) {
    let shadow = host.shadowRoot;
    if (!shadow) {
      try {
        shadow = host.attachShadow({ mode: 'open' });
      } catch (error) { // a table cell or a list cannot have one
        host.textContent = '';
        shadow = host.appendChild(document.createElement('div')).attachShadow({ mode: 'open' });
      }
    }
    if (sheet) shadow.adoptedStyleSheets = [sheet];
    shadow.replaceChildren(this.root);
  }
}
