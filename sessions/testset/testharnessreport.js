/*
 * Sends the result of a test page to the service and goes on to the next test. It does so only
 * where the address has a token; without one the page just shows its results.
 * Written for old browsers: ECMAScript 5 and XMLHttpRequest.
 */
(function () {
  "use strict";

  var RETRY_MS = 500;
  var RETRY_MS_MAX = 4000;
  // After so many tries another page takes over, if the service has one to give.
  var RETRIES_MAX = 3;
  // Ten minutes without a service: then it is tried anyway.
  var RETRIES_ALONE_MAX = 150;
  var ADDRESS_CHARS_MAX = 6000;
  var LONE_SURROGATES = /[\uD800-\uDBFF][\uDC00-\uDFFF]|[\uD800-\uDFFF]/g;

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch (error) {
      return text;
    }
  }

  // The query of a variant stands before the token; all that follows is for this script.
  function parametersOf(search) {
    var found = { variant: "" };
    var parts = search.replace(/^\?/, "").split("&");
    var before = [];
    for (var i = 0; i < parts.length; i++) {
      var at = parts[i].indexOf("=");
      var name = at < 0 ? parts[i] : parts[i].slice(0, at);
      if (name === "token" && found.token === undefined) {
        found.variant = before.length ? "?" + before.join("&") : "";
      }
      if (found.token === undefined && name !== "token") {
        before.push(parts[i]);
      } else if (found[name] === undefined) {
        found[name] = at < 0 ? "" : decoded(parts[i].slice(at + 1));
      }
    }
    return found;
  }

  var parameters = parametersOf(location.search);
  if (!parameters.token) {
    return;
  }
  var token = encodeURIComponent(parameters.token);
  var root = "/" + (parameters.web_root || "_wave").replace(/^\/+|\/+$/g, "") + "/";
  var timeout = Number(parameters.timeout);
  var leaving = false;
  var timer = null;
  var barred = false;

  // A page may forbid its scripts to call anybody: then it is not the service that is away.
  document.addEventListener("securitypolicyviolation", function (event) {
    barred = barred || String(event.blockedURI).indexOf(root + "api/") >= 0;
  });

  function ask(method, path, body, answered, failed) {
    var request = new XMLHttpRequest();
    request.onreadystatechange = function () {
      if (request.readyState !== 4) {
        return;
      }
      if (request.status === 200) {
        answered(request.responseText);
      } else {
        failed(request.status);
      }
    };
    request.open(method, root + "api/" + path, true);
    if (body !== null) {
      request.setRequestHeader("Content-Type", "application/json");
    }
    request.send(body);
  }

  function open(page, query) {
    location.href = root + page + "?token=" + token + (query || "");
  }

  // A page that is opened while the service is away is an error of the browser, which no script
  // can leave. So nothing is opened before a picture has come from there.
  function whenThere(retries, there, away) {
    if (barred) {
      there();
      return;
    }
    var picture = new Image();
    picture.onload = there;
    picture.onerror = function () {
      if (retries < RETRIES_ALONE_MAX) {
        setTimeout(away, pause(retries));
      } else {
        there();
      }
    };
    picture.src = root + "icon.svg?at=" + new Date().getTime();
  }

  function pause(retries) {
    return Math.min(RETRY_MS * Math.pow(2, retries), RETRY_MS_MAX);
  }

  function goOn(retries) {
    var tried = retries || 0;
    ask("GET", "tests/" + token + "/next", null, function (text) {
      var next = null;
      try {
        next = JSON.parse(text).next_test;
      } catch (error) {
        next = null;
      }
      if (next) {
        location.href = next;
      } else {
        open("next.html");
      }
    }, function () {
      whenThere(tried, function () {
        open("next.html");
      }, function () {
        goOn(tried + 1);
      });
    });
  }

  function leave() {
    if (timer !== null) {
      clearTimeout(timer);
    }
    if (leaving) {
      return false;
    }
    leaving = true;
    return true;
  }

  // What the service refuses (4xx) it would refuse again; else it may be starting anew.
  function send(body, retries) {
    function again() {
      send(body, retries + 1);
    }
    ask("POST", "results/" + token, body, function () {
      goOn();
    }, function (status) {
      if (status >= 400 && status < 500) {
        goOn();
      } else if (retries < RETRIES_MAX && !barred) {
        setTimeout(again, pause(retries));
      } else {
        whenThere(retries, function () {
          handOver(body);
        }, again);
      }
    });
  }

  function handOver(body) {
    var result = encodeURIComponent(body);
    if (result.length <= ADDRESS_CHARS_MAX) {
      open("submitresult.html", "&result=" + result);
    } else {
      open("next.html");
    }
  }

  function clean(text) {
    if (text === null || text === undefined) {
      return null;
    }
    return String(text).replace(LONE_SURROGATES, function (found) {
      return found.length === 2 ? found : "\uFFFD";
    });
  }

  function resultOf(tests, status) {
    var result = {
      test: decoded(location.pathname) + parameters.variant,
      status: status.status,
      message: clean(status.message),
      stack: clean(status.stack),
      tests: []
    };
    for (var i = 0; i < tests.length; i++) {
      result.tests.push({
        name: clean(tests[i].name),
        status: tests[i].status,
        message: clean(tests[i].message),
        stack: clean(tests[i].stack)
      });
    }
    return JSON.stringify(result);
  }

  // A service that dies while a page loads leaves it without its harness: the page is loaded once
  // more when the service is back, and where that does not help, the run goes on without it.
  function startAnew(retries) {
    var navigation = window.performance && window.performance.navigation;
    if (!navigation || navigation.type === navigation.TYPE_RELOAD) {
      goOn();
      return;
    }
    whenThere(retries, function () {
      location.reload();
    }, function () {
      startAnew(retries + 1);
    });
  }

  if (typeof add_completion_callback === "undefined") {
    startAnew(0);
    return;
  }

  add_completion_callback(function (tests, status) {
    if (leave()) {
      send(resultOf(tests, status), 0);
    }
  });

  // Longer than a timer can be, browsers would take for no time at all.
  if (timeout > 0 && timeout <= 2147483647) {
    timer = setTimeout(function () {
      if (leave()) {
        goOn();
      }
    }, timeout);
  }
}());
