// The field of a form that holds a kind of value, by what the page says of it.

const KINDS = {
  title: [['honorific-prefix'], /\b(title|salutation|anrede)\b/],
  first_name: [['given-name'], /first.?name|given.?name|forename|vorname/],
  middle_name: [['additional-name'], /middle.?name/],
  last_name: [['family-name'], /last.?name|family.?name|surname|nachname/],
  full_name: [['name'], /full.?name|your.?name|^name\b|\bname$/],
  email: [['email'], /e-?mail/],
  company: [['organization'], /company|organi[sz]ation|firma/],
  address1: [['address-line1', 'street-address'], /address.?(line)?.?1|street|^address\b/],
  address2: [['address-line2'], /address.?(line)?.?2|apartment|suite/],
  address3: [['address-line3'], /address.?(line)?.?3/],
  city: [['address-level2'], /city|town|\bort\b/],
  state: [['address-level1'], /state|province|region/],
  postal_code: [['postal-code'], /post(al)?.?code|\bzip|plz/],
  country: [['country', 'country-name'], /country|\bland\b/],
  phone: [['tel', 'tel-national'], /phone|mobile|\btel\b/],
  cc_name: [['cc-name'], /name.?on.?card|card.?holder|cc.?name/],
  cc_number: [['cc-number'], /card.?number|cc.?num/],
  cc_exp_month: [['cc-exp-month'], /exp\w*.?month|\bmm\b/],
  cc_exp_year: [['cc-exp-year'], /exp\w*.?year|\byy(yy)?\b/],
  cc_exp: [['cc-exp'], /expir|exp.?date|mm.?\/.?yy/],
  cc_cvv: [['cc-csc'], /cvc|cvv|csc|security.?code/],
  username: [['username'], /user.?name|^user\b|login|account/],
  current_password: [['current-password'], /password|passwort/],
  new_password: [['new-password'], /(new|confirm|repeat|choose).*password|password/],
  totp: [['one-time-code'], /one.?time|\botp\b|totp|verification.?code|2fa/],
};

function score(field, [tokens, words], kind) {
  const fills = (field.autocomplete ?? '').split(/\s+/).pop();
  if (tokens.includes(fills)) return 4;
  if (kind.endsWith('password')) {
    if (field.type !== 'password') return 0;
    return /^(current|new)-password$/.test(fills) ? 0 : 3;
  }
  if (field.type === 'password' && !/^cc_|totp/.test(kind)) return 0;
  if (kind === 'email' && field.type === 'email') return 3;
  if (kind === 'phone' && field.type === 'tel') return 3;
  if (fills && fills !== 'on' && fills !== 'off') return 0;
  if (words.test(label(field).toLowerCase())) return 2;
  return words.test(`${field.name} ${field.id} ${field.placeholder ?? ''}`.toLowerCase()) ? 1 : 0;
}

function main({ kind, taken }) {
  const rule = KINDS[kind];
  if (!rule) return null;
  let best = null;
  let most = 0;
  for (const field of everything(document)) {
    const type = use(field)?.[1];
    if (type !== 'fill' && type !== 'select_dropdown_option') continue;
    if (!('value' in field) || !visible(field) || taken.includes(field)) continue;
    const points = score(field, rule, kind);
    if (points > most) [best, most] = [field, points];
  }
  return best;
}
