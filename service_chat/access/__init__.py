"""Who may ask, for whom and how often: API keys, tokens of an OpenID provider, and limits. No web framework in here."""
