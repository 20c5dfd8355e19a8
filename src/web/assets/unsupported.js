// For browsers that cannot run the page's modules, and for pages whose files do not arrive: says so, where else nothing would
// ever follow on what the page begins with. Written for any browser, since it is read by those that are too old.
(function () {
  var isTold = false;

  // A page whose own script has begun says by itself what is wrong.
  function waits() {
    var sections = document.getElementsByTagName("section");
    for (var i = 0; i < sections.length; i += 1) {
      if (sections[i].getAttribute("data-view") === "looking") return !sections[i].hidden;
    }
    return false;
  }

  function show(name) {
    if (!waits()) return;
    var sections = document.getElementsByTagName("section");
    for (var i = 0; i < sections.length; i += 1) {
      var view = sections[i].getAttribute("data-view");
      if (view) sections[i].hidden = view !== name;
    }
    // What these do otherwise is in scripts that are not there.
    var buttons = document.getElementsByTagName("button");
    for (var j = 0; j < buttons.length; j += 1) {
      if (buttons[j].getAttribute("data-do") === "again") buttons[j].addEventListener("click", function () { location.reload(); });
    }
  }

  function tell(name) {
    if (isTold) return;
    isTold = true;
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", function () { show(name); });
    else show(name);
  }

  if (!("noModule" in document.createElement("script"))) tell("unsupported");
  // On its way down, since files that fail tell nobody above them.
  window.addEventListener("error", function (event) {
    var what = event.target && event.target.tagName;
    if (what === "SCRIPT") tell("trouble");
    else if (/SyntaxError/.test(String(event.error || event.message))) tell("unsupported");
  }, true);
})();
