/* On a second device (or the same one): find a session, choose its tests, start it. */
(function () {
  "use strict";

  var TOKEN_CHARS = 36;
  var token = Page.query("token"), boxes = [];

  function failed(status, body) { Page.say(Page.reason(status, body), "bad"); }

  function area(id) { return Page.lines(Page.byId(id).value, false); }

  /* The full token of what somebody typed. */
  function resolve(typed, done) {
    var words = typed.replace(/\s+/g, "");
    if (!words) { return; }
    if (words.length === TOKEN_CHARS) { done(words); return; }
    WaveService.findToken(words, done, failed);
  }

  function load() {
    WaveService.readSession(token, function (session) {
      WaveService.readSessionStatus(token, function (now) {
        present(session, now);
      }, failed);
    }, failed);
  }

  function present(session, now) {
    var pending = now.status === "pending", state = Page.byId("state");
    Page.say(pending ? "" : "Only a session that has not been started can be configured.");
    Page.show(Page.byId("find"), false);
    Page.show(Page.byId("session"), true);
    Page.text(Page.byId("short"), token.slice(0, 8));
    Page.text(state, now.status).className = "state " + now.status;
    Page.text(Page.byId("browser"), Page.browser(session.browser));
    Page.text(Page.byId("expires"), pending && now.expiration_date
      ? ". Removed if not started by " + Page.clock(now.expiration_date) + "." : "");
    Page.byId("results").href = Page.withToken("results.html", token);
    Page.show(Page.byId("elsewhere"), !pending);
    Page.show(Page.byId("settings"), pending);
    if (pending) { fill(session); } else { Page.focus(Page.byId("results")); }
  }

  function fill(session) {
    Page.byId("automatic").checked = session.types.indexOf("automatic") >= 0;
    Page.byId("manual").checked = session.types.indexOf("manual") >= 0;
    Page.byId("exclude").value = session.tests.exclude.join("\n");
    Page.byId("references").value = session.reference_tokens.join("\n");
    Page.byId("labels").value = session.labels.join(", ");
    fillTimeouts(session.timeouts);
    WaveService.readAvailableApis(function (apis) {
      fillTests(apis || [], session.tests.include);
      WaveService.readTestList(countTests);
      Page.focus(Page.byId("start"));
    }, function (status, body) {
      fillTests([], session.tests.include);
      failed(status, body);
    });
  }

  function fillTimeouts(timeouts) {
    var own = [];
    Page.byId("automatic_s").value = timeouts.automatic / 1000;
    Page.byId("manual_s").value = timeouts.manual / 1000;
    for (var path in timeouts) {
      if (path !== "automatic" && path !== "manual") {
        own.push(path + " = " + timeouts[path] / 1000);
      }
    }
    Page.byId("paths_s").value = own.join("\n");
  }

  function fillTests(apis, include) {
    var everything = !include.length || include.indexOf("/") >= 0;
    var others = include.filter(function (path) { return path !== "/"; });
    Page.text(Page.byId("apis"), "");
    boxes = apis.map(function (api) {
      var label = Page.node("label", "check"), box = Page.node("input");
      var counted = Page.node("span", "quiet");
      box.type = "checkbox";
      box.onchange = sumUp;
      box.checked = everything;
      others = others.filter(function (path) {
        var whole = path === api.path || path === api.path + "/";
        if (whole) { box.checked = true; }
        return !whole;
      });
      label.appendChild(box);
      label.appendChild(Page.node("span", "", api.title + " "));
      label.appendChild(counted);
      Page.byId("apis").appendChild(label);
      return { box: box, path: api.path, counted: counted, tests: 0 };
    });
    Page.byId("include").value = others.join("\n");
    sumUp();
  }

  function countTests(tests) {
    boxes.forEach(function (one) {
      one.tests = (tests[one.path.slice(1)] || []).length;
      Page.text(one.counted, "(" + one.tests + ")");
    });
    sumUp();
  }

  function sumUp() {
    var apis = 0, tests = 0;
    boxes.forEach(function (one) {
      if (one.box.checked) { apis += 1; tests += one.tests; }
    });
    Page.text(Page.byId("chosen"), apis + " of " + boxes.length + " apis" +
      (tests ? ", up to " + tests + " tests" : ""));
  }

  function tick(checked) {
    return function () {
      boxes.forEach(function (one) { one.box.checked = checked; });
      sumUp();
    };
  }

  function included() {
    var chosen = boxes.filter(function (one) { return one.box.checked; });
    var own = area("include");
    if (chosen.length === boxes.length && !own.length) { return ["/"]; }
    // The slash at the end keeps an api apart from those whose names go on.
    return chosen.map(function (one) { return one.path + "/"; }).concat(own);
  }

  /* Time-outs in milliseconds, or null after saying what is wrong with them. */
  function timeouts() {
    var found = {}, wrong = "";
    area("paths_s").forEach(function (line) {
      var cut = line.lastIndexOf("=");
      var path = line.slice(0, Math.max(cut, 0)).replace(/\s+$/, "");
      set(path, cut < 1 ? "" : line.slice(cut + 1));
    });
    set("automatic", Page.byId("automatic_s").value);
    set("manual", Page.byId("manual_s").value);
    function set(name, seconds) {
      var ms = Math.round(parseFloat(String(seconds).replace(",", ".")) * 1000);
      if (!(ms > 0) || !name) { wrong = wrong || name || "a path"; return; }
      found[name] = ms;
    }
    if (!wrong) { return found; }
    Page.say("The time-out of " + wrong + " is not a number of seconds above 0.", "bad");
    return null;
  }

  function save(done) {
    var limits = timeouts(), include = included();
    if (!limits) { return; }
    if (!include.length) { Page.say("No test is chosen.", "bad"); return; }
    var types = ["automatic", "manual"].filter(function (type) {
      return Page.byId(type === "manual" ? "manual" : "automatic").checked;
    });
    var session = {
      tests: { include: include, exclude: area("exclude") },
      types: types,
      timeouts: limits,
      reference_tokens: area("references")
    };
    WaveService.updateSession(token, session, function () {
      WaveService.updateLabels(token, Page.lines(Page.byId("labels").value, true), done, failed);
    }, failed);
  }

  function seeResults() { Page.go(Page.withToken("results.html", token)); }

  function start() { WaveService.startSession(token, seeResults, failed); }

  function copyBroken() {
    resolve(Page.byId("broken").value, function (from) {
      WaveService.readMalfunctioningTests(from, function (paths) {
        var before = area("exclude");
        var fresh = (paths || []).filter(function (path) { return before.indexOf(path) < 0; });
        Page.byId("exclude").value = before.concat(fresh).join("\n");
        Page.say(fresh.length + " paths added.", "good");
      }, failed);
    });
  }

  function resume() {
    resolve(Page.byId("earlier").value, function (earlier) {
      WaveService.resumeSession(token, earlier, function () {
        Page.go(Page.withToken("results.html", earlier));
      }, failed);
    });
  }

  Page.byId("find").onsubmit = function (event) {
    event.preventDefault();
    resolve(Page.byId("fragment").value, function (found) {
      Page.go(Page.withToken("configuration.html", found));
    });
  };
  Page.byId("settings").onsubmit = function (event) {
    event.preventDefault();
    // Enter in one of the fields saves; only the button starts a run.
    if (document.activeElement && document.activeElement.tagName === "INPUT") {
      save(function () { Page.say("Saved.", "good"); });
    } else {
      save(start);
    }
  };
  Page.onPress(Page.byId("all"), tick(true));
  Page.onPress(Page.byId("none"), tick(false));
  Page.onPress(Page.byId("copy"), copyBroken);
  Page.onPress(Page.byId("save"), function () {
    save(function () { Page.say("Saved.", "good"); });
  });
  Page.onPress(Page.byId("remove"), function () {
    WaveService.deleteSession(token, function () {
      Page.go(WaveService.page("configuration.html"));
    }, failed);
  });
  Page.onPress(Page.byId("resume"), resume);
  if (token) {
    Page.byId("fragment").value = token;
    resolve(token, function (found) {
      token = found;
      load();
    });
  }
})();
