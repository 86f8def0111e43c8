/* The sessions that the service knows, the newest first. */
(function () {
  "use strict";

  var COUNT = 10, TOKEN_CHARS = 36;
  var index = -1, chosen = [];

  function failed(status, body) { Page.say(Page.reason(status, body), "bad"); }

  function read(from) {
    WaveService.readSessions(from, COUNT, function (page) {
      if (index < 0) { toTheEnd(page); } else { present(page); }
    }, function (status, body) {
      if (status === 404) {
        Page.say("This service does not list its sessions. Open one by its token.", "");
      } else {
        failed(status, body);
      }
    });
  }

  /* The list begins with the oldest, and only its links tell how long it is. */
  function toTheEnd(page) {
    var last = /[?&]index=(\d+)/.exec(page._links.last.href);
    index = last ? Number(last[1]) : 0;
    if (index === 0) { present(page); } else { read(index); }
  }

  function present(page) {
    if (!page.items.length && index > 0) {
      index -= COUNT;
      read(index);
      return;
    }
    var known = { configuration: {}, status: {} }, embedded = page._embedded || {};
    for (var kind in known) {
      (embedded[kind] || []).forEach(function (one) { known[kind][one.token] = one; });
    }
    Page.say(page.items.length ? "" : "There is no session yet.", "");
    Page.text(Page.byId("list"), "");
    page.items.slice().reverse().forEach(function (token) {
      if (known.configuration[token] && known.status[token]) {
        Page.byId("list").appendChild(card(known.configuration[token], known.status[token]));
      }
    });
    Page.byId("newer").disabled = !page._links.next;
    Page.byId("older").disabled = index === 0;
  }

  function card(session, now) {
    var made = Page.node("div", "card"), first = Page.node("p");
    first.appendChild(Page.node("span", "short", session.token.slice(0, 8)));
    first.appendChild(document.createTextNode(" "));
    first.appendChild(Page.node("span", "state " + now.status, now.status));
    made.appendChild(first);
    made.appendChild(Page.node("p", "", [Page.browser(session.browser),
      Page.clock(session.date_created)].concat(session.labels).join(", ")));
    made.appendChild(actions(session.token, now.status));
    return made;
  }

  function actions(token, status) {
    var line = Page.node("p"), label = Page.node("label", "check"), box = Page.node("input");
    box.type = "checkbox";
    box.checked = chosen.indexOf(token) >= 0;
    box.onchange = function () { choose(token, box.checked); };
    label.appendChild(box);
    label.appendChild(document.createTextNode("Compare"));
    line.appendChild(link("Results", "results.html", token));
    if (status === "pending") { line.appendChild(link("Configure", "configuration.html", token)); }
    line.appendChild(label);
    return line;
  }

  function link(words, page, token) {
    var made = Page.node("a", "button", words);
    made.href = Page.withToken(page, token);
    made.setAttribute("aria-label", words + " of " + token.slice(0, 8));
    return made;
  }

  function choose(token, wanted) {
    chosen = chosen.filter(function (other) { return other !== token; });
    if (wanted) { chosen.push(token); }
    Page.byId("compare").disabled = chosen.length < 2;
    Page.text(Page.byId("compare"), "Compare the chosen" +
      (chosen.length ? " (" + chosen.length + ")" : ""));
  }

  function turn(by) {
    return function () {
      index = Math.max(0, index + by);
      read(index);
    };
  }

  function see(token) { Page.go(Page.withToken("results.html", token)); }

  Page.byId("find").onsubmit = function (event) {
    event.preventDefault();
    var typed = Page.byId("fragment").value.replace(/\s+/g, "");
    if (typed.length === TOKEN_CHARS) { see(typed); }
    else if (typed) { WaveService.findToken(typed, see, failed); }
  };
  Page.onPress(Page.byId("compare"), function () {
    Page.go(WaveService.page("comparison.html", "tokens=" + chosen.join(",")));
  });
  Page.onPress(Page.byId("newer"), turn(COUNT));
  Page.onPress(Page.byId("older"), turn(-COUNT));
  Page.byId("import").onsubmit = function (event) {
    event.preventDefault();
    var file = Page.byId("file").files[0];
    if (file) { WaveService.importResults(file, see, failed); }
  };
  WaveService.readResultsConfig(function (config) {
    Page.show(Page.byId("import"), !!(config && config.import_enabled));
  });
  read(0);
})();
