/// <reference path="./pushi.d.ts" />
// A page that loads the classic script: `Pushi` is defined without an import.
var pushi = new Pushi("YOUR_APP_KEY");
pushi.bind("message", function (event, data) {
  console.log(event.trim(), data.trim(), this.state);
});
console.log(Pushi.VERSION, new Pushi.Observable(), Pushi.PushiError.name);
