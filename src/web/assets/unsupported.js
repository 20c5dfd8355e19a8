// For browsers that know no modules: nothing else runs there.
var sections = document.getElementsByTagName("section");
document.addEventListener("DOMContentLoaded", function () {
  for (var i = 0; i < sections.length; i += 1) {
    sections[i].hidden = sections[i].getAttribute("data-view") !== "unsupported";
  }
});
