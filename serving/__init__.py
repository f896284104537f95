"""The ground floor: what any model-serving process needs. Knows no model, route, topic or bucket."""
