// What a caller's code comes to, as a text of a bounded length: whatever is larger stays here.

const SPLITS_MAX = 200;
const SAID_MAX = 2000;
const AsyncFunction = (async () => {}).constructor;

function parsed(Kind, body) {
  try {
    return new Kind(body);
  } catch {
    return null;
  }
}

// The last of several statements says what they come to, where it is an expression.
function withValue(code) {
  let end = code.length;
  for (let tries = 0; tries < SPLITS_MAX; tries++) {
    do end -= 1; while (end > 0 && !';}\n'.includes(code[end]));
    if (end <= 0) break;
    const [head, tail] = [code.slice(0, end + 1), code.slice(end + 1)];
    // What follows may go on with the statement before, unless it begins with a word or a text.
    if (code[end] !== ';' && !/^\s*(?!in\b|instanceof\b)[\w$'"]/.test(tail)) continue;
    const whole = parsed(AsyncFunction, head) &&
      parsed(AsyncFunction, `${head}\nreturn (\n${tail}\n)`);
    if (whole) return whole;
  }
  return null;
}

// A script has neither `await` nor `return`; everything else is what it is in the console.
function run(code) {
  if (code.includes('await') && !parsed(Function, code)) {
    const bare = code.replace(/[\s;]+$/, '');
    const whole = parsed(AsyncFunction, `return (\n${bare}\n)`) ?? withValue(bare) ??
      parsed(AsyncFunction, code);
    if (whole) return whole();
  }
  try {
    return (0, eval)(code);
  } catch (error) {
    if (!(error instanceof SyntaxError) || !error.message.includes('Illegal return')) throw error;
    return new AsyncFunction(code)();
  }
}

function written(value) {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : `${value}`;
  if (typeof value === 'symbol') return value.toString().slice(0, 500);
  if (value === undefined) return 'null';
  let text;
  try {
    text = JSON.stringify(value);
  } catch {
    // It names itself: its own words have to do.
  }
  return text ?? String(value);
}

// A page may have changed what texts can do; not their type and length.
function fits(text, most) {
  return typeof text === 'string' && text.length <= most;
}

function said(error) {
  try {
    const text = `${(typeof error === 'object' && error?.stack) || error}`.slice(0, SAID_MAX);
    return fits(text, SAID_MAX) ? text : 'an error';
  } catch {
    return 'an error';
  }
}

async function main({ code, limit }) {
  // Without a prototype nothing that a page has changed is asked for it.
  const told = { __proto__: null, text: '', large: false, error: '', failed: false };
  try {
    let value = await run(code);
    if (typeof value === 'function') value = await value();
    const text = written(value);
    if (fits(text, limit)) told.text = text;
    else told.large = true;
  } catch (error) {
    told.failed = true;
    told.error = said(error);
  }
  return told;
}
