/// <reference path="./pushi.d.ts" />
// A page's script that loads the classic script: `Pushi` is there without an import.
var pushi = new Pushi("YOUR_APP_KEY");
pushi.bind("message", function (event, data) {
  console.log(event.trim(), data.trim(), this.state);
});
