"""The command line beside serving: what a person does with records, one module a noun. `app` puts them together."""
