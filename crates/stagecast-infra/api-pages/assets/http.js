// Shows the description that stands in the page.
const description = JSON.parse(document.getElementById("description").textContent);
const options = {
  disableSearch: true,
  expandResponses: "200,202",
  hideDownloadButtons: true,
  requiredPropsFirst: true,
  scrollYOffset: 44,
  theme: { typography: { fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" } } },
};
Redoc.init(description, options, document.getElementById("api"));
