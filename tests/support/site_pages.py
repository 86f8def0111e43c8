"""The pages of the test sites: what a browser meets, from a plain form to one that hangs."""

from __future__ import annotations

import struct
import zlib
from typing import Final


def page(title: str, body: str, head: str = "") -> str:
    """A whole HTML document."""
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        f"<title>{title}</title>{head}</head><body>{body}</body></html>"
    )


def links(count: int) -> str:
    """A page with that many links, in three kinds of places, and nothing else to do."""
    lines = "".join(
        f'<li><a href="/item/{number}" title="number {number}">Item {number}</a></li>'
        for number in range(1, count + 1)
    )
    return page(f"{count} links", f"<main><h1>All items</h1><ul>{lines}</ul></main>")


def item(number: str) -> str:
    """The page that a link of `links` leads to."""
    return page(
        f"Item {number}",
        f"<main><h1>Item {number}</h1><p>Price: {number} EUR</p>"
        "<button>Add to cart</button><a href=/>Back to the home page</a></main>",
    )


def png(red: int, green: int, blue: int) -> bytes:
    """A picture of 8 by 8 pixels in one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = (b"\0" + bytes((red, green, blue)) * 8) * 8
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


HOME: Final = page(
    "Home",
    "<header><nav><a href=/>Home</a> <a href=/form>The form</a> <a href=/app>The app</a></nav>"
    "</header><main><h1>A small site</h1><p>Welcome to the <b>test</b> site.</p>"
    "<a href=/links?count=20>Links</a> <a href=/article>An article</a>"
    "<button onclick=\"document.title='Greeted'\">Say hello</button></main>"
    "<footer><a href=/article#end>Imprint</a></footer>",
)

FORM: Final = page(
    "Sign up",
    """<h1>Sign up</h1>
<form action=/submitted method=post enctype=multipart/form-data>
<label for=name>Full name</label><input id=name name=name value=nobody>
<label>Email <input name=email type=email autocomplete=email placeholder="you@example.org"></label>
<label>Password <input name=password type=password autocomplete=new-password></label>
<input name=phone type=tel aria-label="Phone number">
<label>About you <textarea name=about></textarea></label>
<label>Country <select name=country><option value="">choose</option>
<option value=de>Germany</option>
<option value=fr>France</option><option value=it disabled>Italy</option></select></label>
<label><input type=checkbox name=terms value=yes> I accept the terms</label>
<label><input type=radio name=plan value=small checked> Small</label>
<label><input type=radio name=plan value=large> Large</label>
<label>Photo <input type=file name=photo></label>
<label>Born <input type=date name=born></label>
<div id=note contenteditable=true aria-label="A note">write here</div>
<input type=hidden name=hidden value=secret>
<input name=off disabled value="cannot be changed">
<p hidden><button type=button>A hidden button</button></p>
<button type=submit>Create the account</button>
<input type=reset value="Start again">
</form>""",
)

LOGIN: Final = page(
    "Log in",
    "<form action=/submitted method=post>"
    "<label>User <input name=user autocomplete=username></label>"
    "<label>Password <input name=password type=password autocomplete=current-password></label>"
    "<button>Log in</button></form>",
)

PAYMENT: Final = page(
    "Checkout",
    "<form action=/submitted method=post>"
    "<label>Card number <input name=card autocomplete=cc-number></label>"
    "<label>Security code <input name=cvc autocomplete=cc-csc></label>"
    "<button>Pay now</button></form>",
)

COOKIE_BANNER: Final = page(
    "News",
    "<main><h1>News</h1><a href=/article>A story</a></main>"
    '<div role=dialog aria-label="Cookies" style="position:fixed;inset:auto 0 0 0;background:#eee">'
    "<p>We use cookies.</p><button onclick=this.parentNode.remove()>Accept all cookies</button>"
    "<button onclick=this.parentNode.remove()>Reject all</button></div>",
)

# Names its page with pushState, draws with scripts, and removes what it drew.
APP: Final = page(
    "The app",
    """<div id=root>loading</div>
<script>
const root = document.getElementById('root'); let items = [];
function draw() {
  root.innerHTML = '<h1>Things to do</h1><input placeholder="What is to do">' +
    '<button id=add>Add</button><ul>' + items.map((text, i) =>
    '<li><span></span> <button data-i=' + i + '>Done</button></li>').join('') + '</ul>' +
    '<div role=button tabindex=0 id=about>About</div>';
  root.querySelectorAll('li span').forEach((span, i) => span.textContent = items[i]);
  root.querySelector('#add').onclick = () => {
    items.push(root.querySelector('input').value); setTimeout(draw, 30); };
  root.querySelectorAll('li button').forEach(b => b.onclick = () => {
    items.splice(+b.dataset.i, 1); draw(); });
  root.querySelector('#about').onclick = () => {
    history.pushState({}, '', '/app/about'); document.title = 'About the app';
    root.innerHTML = '<p>Nothing to see</p><a href=/app>Back to the list</a>'; };
}
setTimeout(draw, 50);
</script>""",
)

DIALOGS: Final = page(
    "Dialogs",
    "<button onclick=\"alert('a warning'); document.title='warned'\">Warn</button>"
    "<button onclick=\"document.title = 'said ' + confirm('Are you sure?')\">Ask</button>"
    "<button onclick=\"document.title = 'named ' + prompt('Your name?', 'Ada')\">Name</button>"
    "<button onclick=\"for (let i = 0; i < 5; i++) alert(i); document.title='endured'\">"
    "Insist</button>"
    "<button onclick=\"onbeforeunload = e => { e.preventDefault(); e.returnValue = 'stay' };"
    "document.title='guarded'\">Guard</button><a href=/>Leave</a>",
)

FRAMES: Final = page(
    "Frames",
    "<h1>Outside</h1><a href=/>Home</a>"
    '<iframe id=first src=/frame/inner title="inner" width=500 height=300></iframe>'
    "<iframe src=/frame/last width=400 height=100></iframe>",
)
FRAME_INNER: Final = page(
    "Inner",
    "<p>Inside the frame</p><button onclick=\"document.body.dataset.pressed='yes';"
    "top.document.title='pressed'\">Press inside</button><input aria-label='Inside text'>"
    "<iframe src=/frame/deep width=300 height=100></iframe>",
)
FRAME_DEEP: Final = page(
    "Deep", "<button onclick=\"top.document.title='deep'\">Press deep</button>"
)
FRAME_LAST: Final = page("Last", "<a href=/item/7 target=_top>Seven</a>")

SHADOW: Final = page(
    "Shadow",
    """<x-card></x-card><script>
customElements.define('x-card', class extends HTMLElement { constructor() { super();
  this.attachShadow({mode: 'open'}).innerHTML =
    '<p>in the shadow</p><button>Shadow button</button><input aria-label="Shadow text">';
  this.shadowRoot.querySelector('button').onclick = () => document.title = 'shadow pressed'; }});
</script>""",
)

POPUPS: Final = page(
    "Popups",
    "<a href=/item/1 target=_blank>Opens a tab</a>"
    "<button onclick=\"window.open('/item/2')\">Opens a window</button>"
    "<button onclick=\"for (let i = 0; i < 60; i++) window.open('/item/' + i)\">"
    "Opens many</button><button onclick=window.close()>Closes itself</button>",
)

ARTICLE: Final = page(
    "How bees dance",
    """<header><nav><a href=/>Home</a><a href=/links>Archive</a></nav></header>
<aside>Advertisement: buy honey</aside>
<main><article><h1>How bees dance</h1><p>Bees tell each other where the <a href=/item/3>flowers</a>
are. They <em>dance</em> for it.</p><h2>Two dances</h2><ul><li>the round dance</li>
<li>the <strong>waggle</strong> dance</li></ul>
<img src=/picture.png alt="A bee on a flower" width=64 height=64>
<table><tr><th>Dance</th><th>Distance</th></tr><tr><td>round</td><td>near</td></tr></table>
<pre><code>angle = sun + food</code></pre><p style="display:none">not to be seen</p>
<p>A code <code>x = 1</code>, a quote:</p><blockquote>Dance!</blockquote>
<p class=related>Read <a href="https://example.org/more?a=1&amp;b=2">more</a>.</p>
</article></main>
<div id=end><img src=/other.png alt=""></div>
<footer>Imprint and <a href=/privacy>privacy</a></footer>
<script>document.body.dataset.ran = 'yes'</script><style>p { color: black }</style>""",
)

TALL: Final = page(
    "Tall",
    "<h1>Top</h1><a href=#bottom>Down</a>"
    + "".join(f"<p style='height:200px'>Part {number}</p>" for number in range(30))
    + "<button id=bottom onclick=\"document.title='bottom'\">At the bottom</button>",
)

DOWNLOADS: Final = page(
    "Downloads",
    "<a href=/file.txt download>A file</a> <a href=/file.bin>Another file</a>"
    " <a href=/file.slow>A slow file</a> <a href=/item/1>Not a file</a>",
)

CAPTCHA: Final = page("Check", "<h1>Are you human?</h1><div class=g-recaptcha>challenge</div>")
SEARCH: Final = page(
    "bees - search",
    "<form role=search action=/search><input type=search name=q value=bees aria-label=Search>"
    "<button>Search</button></form><main>"
    + "".join(f"<h2><a href=/item/{number}>Result {number}</a></h2>" for number in range(1, 9))
    + "</main>",
)

# The tab is busy for ever once the button is pressed: it answers nothing more.
HANGING: Final = page("Hangs", "<button onclick='for(;;);'>Hang</button><a href=/>Away</a>")
STILL_LOADING: Final = page(
    "Still loading", "<a href=/>Home</a><img src=/never width=10 height=10><p>There is text</p>"
)
ALWAYS_CHANGING: Final = page(
    "Always changing",
    "<div id=list></div><script>let n = 0; setInterval(() => { list.innerHTML = "
    "'<button>Button ' + ++n + '</button>' }, 5)</script>",
)

FEED: Final = (
    '<?xml version="1.0"?><rss><channel><title>Bees</title><item><title>One</title></item>'
    "</channel></rss>"
)
DRAWING: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="50" height="50"><title>A drawing</title>'
    '<a href="/item/1"><rect width="40" height="40"/></a></svg>'
)

PAGES: Final = {
    "/": HOME,
    "/form": FORM,
    "/login": LOGIN,
    "/payment": PAYMENT,
    "/cookie-banner": COOKIE_BANNER,
    "/app": APP,
    "/app/about": APP,
    "/dialogs": DIALOGS,
    "/frames": FRAMES,
    "/frame/inner": FRAME_INNER,
    "/frame/deep": FRAME_DEEP,
    "/frame/last": FRAME_LAST,
    "/shadow": SHADOW,
    "/popups": POPUPS,
    "/article": ARTICLE,
    "/tall": TALL,
    "/downloads": DOWNLOADS,
    "/captcha": CAPTCHA,
    "/search": SEARCH,
    "/hanging": HANGING,
    "/still-loading": STILL_LOADING,
    "/always-changing": ALWAYS_CHANGING,
    "/empty": page("", ""),
    "/privacy": page("Privacy", "<p>We keep nothing.</p>"),
}
