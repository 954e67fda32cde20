"""From a result document to what a person, a spreadsheet or a pull request reads."""
