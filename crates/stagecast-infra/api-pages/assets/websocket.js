// Shows the description that stands in the page.
const description = JSON.parse(document.getElementById("description").textContent);
const config = { show: { sidebar: true, errors: false }, sidebar: { showOperations: "byDefault" } };
AsyncApiStandalone.render({ schema: description, config }, document.getElementById("api"));
