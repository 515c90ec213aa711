"""WHO MAY CHANGE WHAT: the rules that the command line and the HTTP interface of the administration share."""
