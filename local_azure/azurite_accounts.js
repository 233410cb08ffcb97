// Loaded into Azurite with `node -r`: accounts may be added while it runs, and a wrong key is refused as Azure does.
//
// Azurite reads its accounts from AZURITE_ACCOUNTS, at start and once a minute. Here they come from the file named by
// AZURITE_ACCOUNTS_FILE (one `name:key:key` a line), which is read again whenever it has changed. This replaces methods of
// a private class of Azurite 3.35.0, so that version is pinned.
"use strict";
const fs = require("fs");
const path = require("path");

const file = process.env.AZURITE_ACCOUNTS_FILE;

function readAccounts() {
  process.env.AZURITE_ACCOUNTS = fs.readFileSync(file, "utf8").trim().split(/\s+/).join(";");
}

readAccounts();
const sources = path.dirname(fs.realpathSync(process.argv[1]));
const Store = require(path.join(sources, "common", "AccountDataStore.js")).default;
const refresh = Store.prototype.refresh;

// With tokens of Entra ID allowed, Azurite takes a signature that is wrong for a header that is malformed (400).
for (const service of ["blob", "queue", "table"]) {
  const errors = require(path.join(sources, service, "errors", "StorageErrorFactory.js")).default;
  errors.getInvalidAuthenticationInfo = (context) =>
    errors.getAuthenticationFailed(
      context,
      "The MAC signature found in the HTTP request is not the same as any computed signature.",
    );
}

Store.prototype.refresh = function () {
  readAccounts();
  return refresh.call(this);
};

Store.prototype.getAccount = function (name) {
  const changed = fs.statSync(file).mtimeMs;
  if (changed !== this.accountsReadFrom) {
    this.accountsReadFrom = changed;
    this.refresh();
  }
  return this.accounts[name];
};
